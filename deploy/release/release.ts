/**
 * Makes a release on this machine: what is new and the version in their files, artefacts, a commit, a tag. Nothing leaves the machine;
 * the commands that publish it are only told.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Artefact, CHECKSUMS, writeChecksums } from './artefacts.ts';
import { applyEdits, editsFor } from './files.ts';
import { git, problemsOf, ReleaseError, type ReleaseState } from './state.ts';

const DOCKERFILE = 'deploy/images/Dockerfile';
/** Stages of the Dockerfile that are images: the others are made on the way. */
const TARGET = /^FROM runtime AS (\S+)$/gm;

export interface ReleaseOptions {
  readonly root: string;
  readonly version: string;
  /** Directory of releases; this one gets a directory of its own in it. */
  readonly out: string;
  /** In front of the images' names. */
  readonly registry: string;
  readonly helm: string;
  /** ISO, of the day. */
  readonly date: string;
}

type Say = (line: string) => void;

/** @throws ReleaseError that names everything which has to be mended first. */
export function assertReleasable(state: ReleaseState, { version, out }: ReleaseOptions): void {
  const directory = directoryOf({ version, out });
  const problems = problemsOf(state, version);
  if (existsSync(directory) && readdirSync(directory).length > 0)
    problems.push(`${directory} holds another release: remove it, or choose another place with --out`);
  if (problems.length > 0) throw new ReleaseError(problems.join('\n'));
}

function directoryOf({ version, out }: Pick<ReleaseOptions, 'version' | 'out'>): string {
  return join(out, version);
}

/** Says what a release would do. */
export function describeRelease(
  state: ReleaseState,
  options: ReleaseOptions,
  artefacts: readonly Artefact[],
  say: Say,
): void {
  const { root, version, date } = options;
  const changed = editsFor(version, date, state.chart !== null).filter(
    ([path, edit]) => edit(textOf(root, path)) !== textOf(root, path),
  );
  say(`Release ${version} would`);
  say(
    changed.length === 0
      ? '  change no file: version and CHANGELOG.md are as they should be'
      : `  change and commit ${changed.map(([path]) => path).join(', ')}`,
  );
  say(`  make in ${shown(root, directoryOf(options))}:`);
  for (const { about, file } of artefacts) say(`    ${file(version).padEnd(34)}${about}`);
  say(`    ${CHECKSUMS.padEnd(34)}checksums of these`);
  if (state.chart === null) say('  package no chart: there is none in deploy/helm/penstock');
  say(`  set the tag v${version}`);
  sayCommands(options, artefacts, say);
}

/** @throws ReleaseError; then the files are as they were, and there is no tag. */
export function makeRelease(
  state: ReleaseState,
  options: ReleaseOptions,
  artefacts: readonly Artefact[],
  say: Say,
): void {
  const { root, version, date, helm } = options;
  const out = directoryOf(options);
  mkdirSync(out, { recursive: true });
  const edits = editsFor(version, date, state.chart !== null);
  const changed = applyEdits(root, edits);
  try {
    for (const artefact of artefacts) {
      say(`making ${artefact.file(version)}: ${artefact.about}`);
      artefact.make({ root, version, out, helm });
    }
    writeChecksums(out);
    if (changed.length > 0)
      git(root, 'commit', '--quiet', '--message', `Release ${version}`, '--', ...changed);
  } catch (err) {
    rmSync(out, { recursive: true, force: true });
    if (changed.length > 0) git(root, 'checkout', '--quiet', 'HEAD', '--', ...changed);
    throw err;
  }
  git(root, 'tag', '--annotate', `v${version}`, '--message', `Penstock ${version}`);
  say(`released ${version} here: tag v${version}, files in ${shown(root, out)}`);
  sayCommands(options, artefacts, say);
}

/** How the images are built, and all of it is published. */
function sayCommands(options: ReleaseOptions, artefacts: readonly Artefact[], say: Say): void {
  const { root, version, registry } = options;
  const file = (ending: string) =>
    artefacts.map(artefact => artefact.file(version)).find(name => name.endsWith(ending));
  const at = (name: string) => shown(root, join(directoryOf(options), name));
  const images = imagesOf(textOf(root, DOCKERFILE));
  const tag = (image: string) => `${registry}/${image}:${version}`;
  say('\nThe images, by docker or podman:');
  for (const image of images)
    say(
      `  docker build --file ${DOCKERFILE} --target ${image} --build-arg VERSION=${version} ` +
        `--build-arg REVISION=$(git rev-parse v${version}^{commit}) --tag ${tag(image)} .`,
    );
  say('\nNothing was published. That would be:');
  say(`  git push origin main v${version}`);
  for (const image of images) say(`  docker push ${tag(image)}`);
  const command = file(`cli-${version}.tgz`);
  if (command !== undefined) say(`  npm publish --access public ${at(command)}`);
  const chart = artefacts.find(artefact => artefact.file(version) === `penstock-${version}.tgz`);
  if (chart !== undefined) say(`  helm push ${at(chart.file(version))} oci://${registry}/charts`);
}

/** @param dockerfile its text. */
export function imagesOf(dockerfile: string): string[] {
  return [...dockerfile.matchAll(TARGET)].map(match => match[1] ?? '');
}

/** As it is typed in the checkout. */
function shown(root: string, path: string): string {
  const inside = relative(root, path);
  return inside.startsWith('..') ? path : `./${inside}`;
}

function textOf(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
