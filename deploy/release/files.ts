/** The files of the repository that a release changes: where the version is, and what was new. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cutSection } from './changelog.ts';
import { CHART } from './state.ts';

/** Path → how its text reads in the release. */
export type Edit = readonly [path: string, edit: (text: string) => string];

export function editsFor(version: string, date: string, hasChart: boolean): Edit[] {
  return [
    ['CHANGELOG.md', text => cutSection(text, version, date)],
    ['package.json', text => text.replace(/^( {2}"version": )"[^"]*"/m, `$1"${version}"`)],
    ['package-lock.json', text => withLockedVersion(text, version)],
    ...(hasChart
      ? [[`${CHART}/Chart.yaml`, (text: string) => withChartVersion(text, version)] as const]
      : []),
  ];
}

function withLockedVersion(text: string, version: string): string {
  const lock = JSON.parse(text) as { version: string; packages: { '': { version: string } } };
  lock.version = version;
  lock.packages[''].version = version;
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** The chart has the version of what it installs. */
function withChartVersion(text: string, version: string): string {
  return text.replace(/^(version|appVersion): .*$/gm, `$1: ${version}`);
}

/** @returns the paths of those that were changed. */
export function applyEdits(root: string, edits: readonly Edit[]): string[] {
  return edits.flatMap(([path, edit]) => {
    const file = join(root, path);
    const text = readFileSync(file, 'utf8');
    const edited = edit(text);
    if (edited === text) return [];
    writeFileSync(file, edited);
    return [path];
  });
}
