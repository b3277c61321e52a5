/** What a release begins with: the checkout as it is, and why it may not be released. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { notesOf } from './changelog.ts';
import { compareVersions, isVersion, releasedVersions } from './version.ts';

/** The release was not made; the message says why and what to do. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError';
}

export const CHART = 'deploy/helm/penstock';
const BRANCH = 'main';
const SHOWN = 5;

export interface ReleaseState {
  /** Null where no branch is checked out. */
  readonly branch: string | null;
  /** Paths that differ from the last commit, or that git does not know. */
  readonly changed: readonly string[];
  readonly tags: readonly string[];
  /** Of package.json at the top. */
  readonly version: string;
  /** Both of package-lock.json. */
  readonly locked: readonly string[];
  readonly changelog: string;
  /** Text of Chart.yaml; null where there is no chart. */
  readonly chart: string | null;
  readonly hasHelm: boolean;
}

/** @throws ReleaseError when the command fails, with what it said. */
export function git(root: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0)
    throw new ReleaseError(`git ${args[0]} failed: ${(error?.message ?? stderr).trim().split('\n')[0]}`);
  return stdout.trimEnd();
}

/** @throws ReleaseError where this is no checkout. */
export function readState(root: string, helm: string): ReleaseState {
  const lines = (text: string) => text.split('\n').filter(Boolean);
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const lock = JSON.parse(read('package-lock.json')) as Lock;
  const chart = join(CHART, 'Chart.yaml');
  return {
    branch: git(root, 'branch', '--show-current') || null,
    changed: lines(git(root, 'status', '--porcelain')).map(line => line.slice(3)),
    tags: lines(git(root, 'tag', '--list', 'v*')),
    version,
    locked: [lock.version, lock.packages['']?.version ?? ''],
    changelog: read('CHANGELOG.md'),
    chart: existsSync(join(root, chart)) ? read(chart) : null,
    hasHelm: spawnSync(helm, ['version'], { stdio: 'ignore' }).status === 0,
  };
}

interface Lock {
  readonly version: string;
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/** Each with its remedy; none where the version can be released. */
export function problemsOf(state: ReleaseState, version: string): string[] {
  const { branch, changed, changelog, chart } = state;
  const latest = releasedVersions(state.tags).at(-1);
  const problems: string[] = [];
  if (branch !== BRANCH)
    problems.push(
      `${branch ?? 'no branch'} is checked out, and releases are made on ${BRANCH}: git switch ${BRANCH}`,
    );
  if (changed.length > 0) {
    const more = changed.length > SHOWN ? ` and ${changed.length - SHOWN} more` : '';
    problems.push(`commit or undo what has changed: ${changed.slice(0, SHOWN).join(', ')}${more}`);
  }
  if (!isVersion(version)) problems.push(`${version} is no version: give one such as 0.2.0 or 0.2.0-rc.1`);
  else if (state.tags.includes(`v${version}`))
    problems.push(
      `${version} is released (tag v${version}): give the next version, npm run release -- VERSION`,
    );
  else if (latest !== undefined && compareVersions(version, latest) < 0)
    problems.push(`${version} comes before ${latest}, which is released: give a later version`);
  if (state.locked.some(locked => locked !== state.version))
    problems.push(
      `package-lock.json is of version ${state.locked.join(' and ')}, package.json of ${state.version}: npm install --package-lock-only`,
    );
  if (notesOf(changelog, version) === '')
    problems.push(`CHANGELOG.md has no section ${version} and nothing under Unreleased: say what is new`);
  if (chart !== null && !state.hasHelm)
    problems.push(
      'helm is not on the PATH to package the chart with: install it, or name it in PENSTOCK_HELM',
    );
  return problems;
}
