import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Artefact } from './artefacts.ts';
import { assertReleasable, describeRelease, imagesOf, makeRelease, type ReleaseOptions } from './release.ts';
import { git, readState } from './state.ts';

const CHART = 'deploy/helm/penstock/Chart.yaml';
const NOTES: Artefact = {
  about: 'notes',
  file: version => `notes-${version}.md`,
  make({ out, version }) {
    writeFileSync(join(out, this.file(version)), 'new\n');
  },
};
const FAILS: Artefact = {
  ...NOTES,
  make() {
    throw new Error('no room');
  },
};

/** A repository with one commit on `main`. */
function repository(t: TestContext, more: Record<string, string> = {}): ReleaseOptions {
  const top = mkdtempSync(join(tmpdir(), 'penstock-release-'));
  t.after(() => rmSync(top, { recursive: true, force: true }));
  const root = join(top, 'checkout');
  const files: Record<string, string> = {
    'package.json': '{\n  "name": "penstock",\n  "version": "0.1.0"\n}\n',
    'package-lock.json':
      '{\n  "version": "0.1.0",\n  "packages": {\n    "": {\n      "version": "0.1.0"\n    }\n  }\n}\n',
    'CHANGELOG.md': '# Changelog\n\n## Unreleased\n### Added\n- Something.\n',
    'deploy/images/Dockerfile': 'FROM node AS sources\nFROM scratch AS runtime\nFROM runtime AS ingress\n',
    '.gitignore': '.release/\n',
    ...more,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  git(root, 'init', '--quiet', '--initial-branch=main');
  for (const [name, value] of Object.entries({ name: 'Test', email: 'test@example.com' }))
    git(root, 'config', `user.${name}`, value);
  git(root, 'add', '--all');
  git(root, 'commit', '--quiet', '--message', 'First');
  const out = join(root, '.release');
  return {
    root,
    version: '0.2.0',
    out,
    registry: 'registry.example.com/p',
    helm: 'true',
    date: '2026-11-29',
  };
}

const read = (root: string, path: string) => readFileSync(join(root, path), 'utf8');

function problems(options: ReleaseOptions): string {
  try {
    assertReleasable(readState(options.root, options.helm), options);
    return '';
  } catch (err) {
    return (err as Error).message;
  }
}

test('a release cuts the changelog, sets the version everywhere, commits, tags, and keeps artefacts with checksums', t => {
  const chart = 'name: penstock\nversion: 0.1.0\nappVersion: 0.1.0\nkubeVersion: ">=1.30.0-0"\n';
  const options = repository(t, { [CHART]: chart });
  const { root } = options;
  assert.equal(problems(options), '');
  const said: string[] = [];
  makeRelease(readState(root, 'true'), options, [NOTES], line => said.push(line));
  assert.match(
    read(root, 'CHANGELOG.md'),
    /^# Changelog\n\n## Unreleased\n\n## 0\.2\.0 \(2026-11-29\)\n### Added\n/,
  );
  assert.match(read(root, 'package.json'), /"version": "0\.2\.0"/);
  assert.deepEqual(readState(root, 'true').locked, ['0.2.0', '0.2.0']);
  assert.equal(read(root, CHART), chart.replaceAll('0.1.0', '0.2.0'));
  assert.equal(git(root, 'status', '--porcelain'), '');
  assert.equal(git(root, 'log', '-1', '--format=%s'), 'Release 0.2.0');
  assert.equal(git(root, 'rev-parse', 'v0.2.0^{commit}'), git(root, 'rev-parse', 'HEAD'));
  assert.equal(git(root, 'cat-file', '-t', 'v0.2.0'), 'tag');
  const out = join(options.out, '0.2.0');
  assert.deepEqual(readdirSync(out).sort(), ['SHA256SUMS', 'notes-0.2.0.md']);
  assert.match(
    read(out, 'SHA256SUMS'),
    /^7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c {2}notes/,
  );
  const text = said.join('\n');
  assert.match(
    text,
    /docker build .*--target ingress --build-arg VERSION=0\.2\.0 .*--tag registry\.example\.com\/p\/ingress:0\.2\.0/,
  );
  assert.match(text, /git push origin main v0\.2\.0/);
  // The next one needs something new, and another version.
  assert.match(problems(options), /0\.2\.0 is released \(tag v0\.2\.0\)/);
  assert.match(
    problems({ ...options, version: '0.3.0' }),
    /^CHANGELOG.md has no section 0\.3\.0 and nothing under Unreleased/,
  );
});

test('a first release of the version that is set, with its section written, only tags', t => {
  const options = {
    ...repository(t, { 'CHANGELOG.md': '## Unreleased\n\n## 0.1.0 (2026-11-01)\n- All.\n' }),
    version: '0.1.0',
  };
  const before = git(options.root, 'rev-parse', 'HEAD');
  makeRelease(readState(options.root, 'true'), options, [NOTES], () => {});
  assert.equal(git(options.root, 'rev-parse', 'HEAD'), before);
  assert.equal(git(options.root, 'tag'), 'v0.1.0');
});

test('a dry run says what would be done and does nothing', t => {
  const options = repository(t);
  const said: string[] = [];
  describeRelease(readState(options.root, 'true'), options, [NOTES], line => said.push(line));
  assert.match(said.join('\n'), /change and commit CHANGELOG.md, package.json, package-lock.json/);
  assert.match(said.join('\n'), /package no chart: there is none/);
  assert.equal(git(options.root, 'status', '--porcelain'), '');
  assert.equal(git(options.root, 'tag'), '');
  assert.ok(!existsSync(options.out));
});

test('an artefact that cannot be made leaves everything as it was', t => {
  const options = repository(t);
  const before = git(options.root, 'rev-parse', 'HEAD');
  assert.throws(
    () => makeRelease(readState(options.root, 'true'), options, [NOTES, FAILS], () => {}),
    /no room/,
  );
  assert.equal(git(options.root, 'status', '--porcelain'), '');
  assert.equal(git(options.root, 'rev-parse', 'HEAD'), before);
  assert.equal(git(options.root, 'tag'), '');
  assert.equal(problems(options), '');
});

test('whatever is in the way of a release is said at once, with what to do', t => {
  const options = repository(t, { 'CHANGELOG.md': '## Unreleased\n', [CHART]: 'version: 0.1.0\n' });
  const { root } = options;
  git(root, 'tag', 'v0.9.0');
  git(root, 'switch', '--quiet', '--create', 'topic');
  writeFileSync(join(root, 'package-lock.json'), '{"version":"0.0.9","packages":{"":{"version":"0.1.0"}}}');
  writeFileSync(join(root, 'new.txt'), '');
  mkdirSync(join(options.out, '0.2.0'), { recursive: true });
  writeFileSync(join(options.out, '0.2.0', 'old.tgz'), '');
  const found = problems({ ...options, helm: 'false' }).split('\n');
  const expected = [
    /^topic is checked out, and releases are made on main: git switch main$/,
    /^commit or undo what has changed: package-lock\.json, new\.txt$/,
    /^0\.2\.0 comes before 0\.9\.0, which is released/,
    /^package-lock\.json is of version 0\.0\.9 and 0\.1\.0, package\.json of 0\.1\.0: npm install --package-lock-only$/,
    /^CHANGELOG\.md has no section 0\.2\.0/,
    /^helm is not on the PATH/,
    /0\.2\.0 holds another release: remove it, or choose another place with --out$/,
  ];
  assert.equal(found.length, expected.length, found.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(found[i] ?? '', pattern);
  assert.match(problems({ ...options, version: 'v2' }), /v2 is no version: give one such as 0\.2\.0/);
  git(root, 'checkout', '--quiet', '--detach');
  assert.match(problems(options), /^no branch is checked out/);
});

test('what is no checkout is refused', t => {
  const { root } = repository(t);
  rmSync(join(root, '.git'), { recursive: true });
  assert.throws(() => readState(root, 'true'), /git branch failed: .*not a git repository/);
});

test('the images are the last stages of the Dockerfile', () => {
  const dockerfile = readFileSync(join(import.meta.dirname, '../images/Dockerfile'), 'utf8');
  assert.deepEqual(imagesOf(dockerfile), [
    'ingress',
    'worker',
    'tasks',
    'console',
    'scaler',
    'simulated-node',
    'load',
  ]);
});
