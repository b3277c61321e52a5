/** package.json of the packed command, and npm-shrinkwrap.json, by which it is installed with the versions that were tested. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LEAST_NODE } from '../local/node-version.mjs';
import { type Modules, PackError } from './modules.ts';

/** `penstock` alone is the name of somebody else's package. */
export const PACKAGE_NAME = '@penstock/cli';
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** An entry of package-lock.json, as far as it matters here. */
interface Locked {
  readonly dev?: boolean;
  readonly link?: boolean;
}

interface Workspace {
  readonly version?: string;
  readonly description?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function read<T>(root: string, path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as T;
}

/** @param bin path of the command in the package. @throws PackError */
export function manifestOf(root: string, bin: string, modules: Modules): Manifest {
  const { version = '', description, license } = read<Workspace>(root, 'package.json');
  const dependencies = dependenciesOf(root, modules);
  for (const [name, file] of modules.packages)
    if (!Object.hasOwn(dependencies, name))
      throw new PackError(
        `${file} imports ${name}, which none of the packed workspaces has in its dependencies`,
      );
  return {
    ...{ name: PACKAGE_NAME, version, description, license, type: 'module' },
    bin: { penstock: bin },
    engines: { node: `>=${LEAST_NODE}` },
    dependencies,
  };
}

/** What the workspaces that are packed need, and the top. */
function dependenciesOf(root: string, { files }: Modules): Record<string, string> {
  const all = new Map<string, string>();
  const manifests = globSync(['package.json', 'libs/*/package.json', 'services/*/package.json'], {
    cwd: root,
  });
  for (const path of manifests.sort()) {
    const room = `${dirname(path)}/`;
    if (room !== './' && ![...files.keys()].some(file => file.startsWith(room))) continue;
    for (const [name, range] of Object.entries(read<Workspace>(root, path).dependencies ?? {})) {
      if (name.startsWith('@penstock/')) continue;
      if (!EXACT.test(range)) throw new PackError(`${path}: pin ${name} to one version, not ${range}`);
      const other = all.get(name);
      if (other !== undefined && other !== range)
        throw new PackError(
          `${path}: ${name} is ${range} here and ${other} elsewhere; they are installed together`,
        );
      all.set(name, range);
    }
  }
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What package-lock.json says of all that the command needs. @throws PackError */
export function shrinkwrapOf(root: string, manifest: Manifest): object {
  const { packages } = read<{ packages: Record<string, Locked> }>(root, 'package-lock.json');
  const needed = Object.entries(packages).filter(
    ([path, { dev, link }]) => path.includes('node_modules/') && !dev && !link,
  );
  for (const [path] of needed)
    if (!path.startsWith('node_modules/'))
      throw new PackError(
        `${path} is in package-lock.json: two workspaces need different versions, one package cannot have both`,
      );
  const { name, version } = manifest;
  return {
    ...{ name, version, lockfileVersion: 3, requires: true },
    packages: { '': manifest, ...Object.fromEntries(needed) },
  };
}
