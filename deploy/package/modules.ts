/** The JavaScript of the packed command: every module that can be reached from its programs, with the types stripped off. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { replaceImports } from './imports.ts';

/** What is packed would not run; the message names the file and what to do. */
export class PackError extends Error {
  override readonly name = 'PackError';
}

export interface Modules {
  /** Code, or the text of imported JSON, by path in the package. */
  readonly files: ReadonlyMap<string, string>;
  /** Third-party packages that are imported, with a file of each that does. */
  readonly packages: ReadonlyMap<string, string>;
}

/** A workspace's file by what others import it as: `@penstock/transport/memory` → `libs/transport/memory/index.ts`. */
export type Exported = ReadonlyMap<string, string>;

/** @param entries paths from the top. @throws PackError */
export function collectModules(root: string, entries: readonly string[]): Modules {
  const exported = exportsOf(root);
  const files = new Map<string, string>();
  const packages = new Map<string, string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = path;
    if (files.has(packedName(file))) continue;
    if (!existsSync(join(root, file))) throw new PackError(`${file} is to be packed, but is not there`);
    const text = readFileSync(join(root, file), 'utf8');
    const code = /\.(ts|mjs|js)$/.test(file)
      ? replaceImports(file.endsWith('.ts') ? withoutTypes(text, file) : text, specifier => {
          const target = targetOf(root, file, specifier, exported);
          if (target === null) {
            const name = packageName(specifier);
            if (name !== null && !packages.has(name)) packages.set(name, file);
            return specifier;
          }
          waiting.push(target);
          const path = relative(dirname(file), packedName(target));
          return path.startsWith('.') ? path : `./${path}`;
        })
      : text;
    files.set(packedName(file), code);
  }
  return { files, packages };
}

export function packedName(path: string): string {
  return path.replace(/\.ts$/, '.js');
}

export function exportsOf(root: string): Exported {
  const exported = new Map<string, string>();
  for (const manifest of globSync(['libs/*/package.json', 'services/*/package.json'], { cwd: root })) {
    const { name, exports = {} } = JSON.parse(readFileSync(join(root, manifest), 'utf8')) as {
      name: string;
      exports?: string | Record<string, string>;
    };
    for (const [path, file] of Object.entries(typeof exports === 'string' ? { '.': exports } : exports))
      exported.set(join(name, path), join(dirname(manifest), file));
  }
  return exported;
}

/** @returns path from the top; null for what is not ours. */
function targetOf(root: string, from: string, specifier: string, exported: Exported): string | null {
  if (specifier.startsWith('.')) return relative(root, resolve(root, dirname(from), specifier));
  const target = exported.get(specifier) ?? null;
  if (target === null && specifier.startsWith('@penstock/'))
    throw new PackError(`${from} imports ${specifier}, which no workspace exports`);
  return target;
}

/** @returns null for what Node, or k6 for its scripts, brings itself. */
function packageName(specifier: string): string | null {
  if (specifier.startsWith('node:') || /^k6(\/|$)/.test(specifier)) return null;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Types become blanks, so lines and columns stay. Node warns that its function may change; `node FILE.ts` uses the same. */
function withoutTypes(text: string, file: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(text, { mode: 'strip' });
  } catch (err) {
    throw new PackError(`${file}: ${(err as Error).message}`);
  } finally {
    process.emitWarning = emitWarning;
  }
}
