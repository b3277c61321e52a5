/** The checkout as it is, and as it was before: both run beside each other from their own folders. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { INSTALLATION, serviceArguments } from '@penstock/runtime/installation';

/** Until there is a release: the last commit whose reply packets have another version than those of today. */
const BEFORE = '4a2942daa4d2fac7f82dbe407cc46fa7f4078252';

export interface Release {
  /** For people. */
  readonly name: string;
  readonly dir: string;
}

export const PRESENT: Release = { name: 'the present', dir: INSTALLATION };

/** The latest release, unpacked into a folder with the dependencies of today. @returns null where its commit is not there, as in a shallow clone. */
export function unpackPrevious(dir: string): Release | null {
  const tag = git('describe', '--tags', '--abbrev=0', 'HEAD~1').trim();
  const commit = tag === '' ? BEFORE : tag;
  if (git('cat-file', '-t', `${commit}^{commit}`).trim() !== 'commit') return null;
  const archive = join(dir, 'previous.tar');
  const unpacked = join(dir, 'previous');
  mkdirSync(unpacked);
  git('archive', '--output', archive, commit);
  spawnSync('tar', ['-xf', archive, '-C', unpacked]);
  shareDependencies(unpacked);
  return { name: tag === '' ? commit.slice(0, 7) : tag, dir: unpacked };
}

/** @returns what it says; empty where it fails. */
function git(...args: string[]): string {
  const { status, stdout } = spawnSync('git', args, { cwd: INSTALLATION, encoding: 'utf8' });
  return status === 0 ? stdout : '';
}

/** Packages of others are those of today; our own are found in the folder itself. */
function shareDependencies(dir: string): void {
  const from = join(INSTALLATION, 'node_modules');
  const to = join(dir, 'node_modules');
  mkdirSync(to);
  for (const name of readdirSync(from))
    if (name === '@penstock')
      cpSync(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true });
    else symlinkSync(join(from, name), join(to, name));
}

/** What Node is given to run a service of a release. @param service its folder in `services`. */
export function argumentsOf({ dir }: Release, service: string): string[] {
  return serviceArguments(service).map(each => each.replace(INSTALLATION, dir));
}
