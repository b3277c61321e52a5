/** What a release consists of beside its tag, as files in one directory. */
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packStaged, withStagedPackage } from '../package/pack.ts';
import { notesOf } from './changelog.ts';
import { CHART, ReleaseError } from './state.ts';

export const CHECKSUMS = 'SHA256SUMS';

export interface Making {
  readonly root: string;
  readonly version: string;
  /** Exists, and is empty. */
  readonly out: string;
  readonly helm: string;
}

export interface Artefact {
  readonly about: string;
  /** Its file, in the directory. */
  readonly file: (version: string) => string;
  make(making: Making): void;
}

const NOTES: Artefact = {
  about: 'what is new',
  file: version => `penstock-${version}.md`,
  make({ root, version, out }) {
    const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    writeFileSync(join(out, this.file(version)), `# Penstock ${version}\n\n${notesOf(changelog, version)}\n`);
  },
};

const COMMAND: Artefact = {
  about: 'the penstock command, for npm',
  file: version => `penstock-cli-${version}.tgz`,
  make({ root, out }) {
    withStagedPackage(root, staged => packStaged(staged, out));
  },
};

const SBOM: Artefact = {
  about: 'what the command contains (CycloneDX)',
  file: version => `penstock-cli-${version}.cdx.json`,
  make({ root, version, out }) {
    const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--omit', 'dev'];
    const text = withStagedPackage(root, staged => run('npm', [...args, '--package-lock-only'], staged));
    writeFileSync(join(out, this.file(version)), text);
  },
};

const CHART_ARCHIVE: Artefact = {
  about: 'the chart, for Helm',
  file: version => `penstock-${version}.tgz`,
  make({ root, out, helm }) {
    run(helm, ['package', CHART, '--destination', out], root);
  },
};

/** In the order in which they are made. */
export function artefactsOf(hasChart: boolean): Artefact[] {
  return [NOTES, COMMAND, SBOM, ...(hasChart ? [CHART_ARCHIVE] : [])];
}

/** In the format of sha256sum, of every file of the directory. */
export function writeChecksums(out: string): void {
  const lines = readdirSync(out)
    .filter(name => name !== CHECKSUMS)
    .sort()
    .map(name => `${hash('sha256', readFileSync(join(out, name)))}  ${name}\n`);
  writeFileSync(join(out, CHECKSUMS), lines.join(''));
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0)
    throw new ReleaseError(`${command} ${args[0]} failed: ${(error?.message ?? stderr).trim()}`);
  return stdout;
}
