/** Makes the packed command: a directory that npm can pack, and the tarball. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BIN, entriesOf, filesOf } from './contents.ts';
import { type Manifest, manifestOf, shrinkwrapOf } from './manifest.ts';
import { collectModules, PackError } from './modules.ts';

/** The package as a directory. @param out empty or not there yet. @throws PackError */
export function stagePackage(root: string, out: string): Manifest {
  const modules = collectModules(root, entriesOf(root));
  const manifest = manifestOf(root, BIN, modules);
  const place = (path: string) => {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    return join(out, path);
  };
  for (const [path, code] of modules.files) writeFileSync(place(path), code);
  for (const path of filesOf(root)) copyFileSync(join(root, path), place(path));
  writeFileSync(place('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(place('npm-shrinkwrap.json'), `${JSON.stringify(shrinkwrapOf(root, manifest), null, 2)}\n`);
  chmodSync(join(out, BIN), 0o755);
  return manifest;
}

export interface Packed {
  readonly tarball: string;
  readonly files: number;
  readonly bytes: number;
}

/** @param staged see {@link stagePackage}. @param out directory of the tarball. @throws PackError */
export function packStaged(staged: string, out: string): Packed {
  mkdirSync(out, { recursive: true });
  const made = spawnSync('npm', ['pack', staged, '--pack-destination', out, '--json', '--ignore-scripts'], {
    encoding: 'utf8',
  });
  if (made.status !== 0)
    throw new PackError(`npm pack failed: ${(made.stderr || made.error?.message || '').trim()}`);
  const [about] = JSON.parse(made.stdout) as { filename: string; entryCount: number; size: number }[];
  if (about === undefined) throw new PackError('npm pack made nothing');
  return { tarball: join(out, about.filename), files: about.entryCount, bytes: about.size };
}

/** @returns what `use` makes of the package as a directory, which is gone afterwards. */
export function withStagedPackage<T>(root: string, use: (staged: string, manifest: Manifest) => T): T {
  const made = mkdtempSync(join(tmpdir(), 'penstock-package-'));
  // npm calls what a bill of materials is about by the name of its directory.
  const staged = join(made, 'penstock');
  try {
    return use(staged, stagePackage(root, staged));
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
