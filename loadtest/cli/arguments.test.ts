import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROFILES } from '@penstock/engine-sim';
import { readArguments, SCENARIOS, SETTINGS, UsageError } from './arguments.ts';
import { findGenerator } from './generator.ts';

const read = (...argv: string[]) => readArguments(argv, { PENSTOCK_KEY: 'from-env' });

test('settings of the script come by flags and by -e', () => {
  const args = read('spike', '--rate', '5', '-e', 'SPIKE=4', '--url', 'http://h:1/v1/', '-e', 'A=b=c');
  assert.deepEqual(args?.settings, { SPIKE: '4', A: 'b=c', RATE: '5' });
  assert.equal(args?.url, 'http://h:1');
  assert.equal(args?.key, 'from-env');
  assert.equal(read('smoke', '--key', 'k')?.key, 'k');
  assert.equal(read('--help'), null);
});

test('target and key may be given as to k6 itself, and are no settings', () => {
  const args = read('smoke', '-e', 'PENSTOCK_URL=http://h:1', '-e', 'PENSTOCK_KEY=secret', '-e', 'RATE=2');
  assert.deepEqual([args?.url, args?.key, args?.settings], ['http://h:1', 'secret', { RATE: '2' }]);
});

test('what the environment sets is kept as a setting; a flag goes before it', () => {
  const env = { RATE: '7', VUS: '9', SUMMARY: 'f', PENSTOCK_KEY: 'k', HOME: '/root', MODEL: '' };
  assert.deepEqual(readArguments(['smoke'], env)?.settings, { RATE: '7', VUS: '9' });
  assert.deepEqual(readArguments(['smoke', '--rate', '2'], env)?.settings, { RATE: '2', VUS: '9' });
});

test('the settings are those that the scripts read, and the README has each', () => {
  const scripts = new URL('../k6/', import.meta.url);
  const text = readdirSync(scripts, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => readFileSync(new URL(name, scripts), 'utf8'))
    .join('\n');
  const read = new Set(
    [...text.matchAll(/(?:\b(?:number|text|seconds)\(|__ENV\[)'([A-Z_]+)'/g)].map(([, name]) => name),
  );
  for (const own of ['PENSTOCK_URL', 'PENSTOCK_KEY', 'PENSTOCK_API_KEY', 'SUMMARY'])
    assert.ok(read.delete(own), own);
  assert.deepEqual([...read].sort(), [...SETTINGS].sort());
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const name of SETTINGS) assert.ok(readme.includes(`\`${name}\``), name);
});

test('a mistake is one line that names the remedy', () => {
  const names = Object.keys(SCENARIOS).join(', ');
  for (const [argv, message] of [
    [[], `name one scenario: use one of ${names}`],
    [['nonsense'], `no scenario nonsense: use one of ${names}`],
    [['toString'], `no scenario toString: use one of ${names}`],
    [['smoke', 'load'], `no scenario smoke load: use one of ${names}`],
    [['smoke', '--url', 'ftp://h'], '--url ftp://h: give it as http(s)://host:port'],
    [['smoke', '-e', 'RATE'], '-e RATE: give it as NAME=value'],
    [['smoke', '--workers', '0'], '--workers 0: give a whole number from 1 to 64'],
    [['smoke', '--profile', 'abacus'], `--profile abacus: use one of ${Object.keys(PROFILES).join(', ')}`],
    [['smoke', '--nonsense'], "Unknown option '--nonsense'"],
    [['smoke', '--duration', '-5s'], "Option '--duration' argument is ambiguous"],
  ] as const)
    assert.throws(
      () => read(...argv),
      (err: Error) => err instanceof UsageError && err.message === message,
      message,
    );
});

const ANY = { ownRunner: false, maxLate: null };

test("the user's k6 is used where it is on the PATH, unless the runner is asked for", () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-path-'));
  try {
    assert.match(findGenerator(ANY, directory).about, /runner/);
    const k6 = join(directory, 'k6');
    // As in this project's own `loadtest`.
    mkdirSync(k6);
    assert.match(findGenerator(ANY, directory).about, /runner/, 'a directory is no k6');
    rmSync(k6, { recursive: true });
    // A stand-in that only tells its version: k6 itself is no part of this project.
    writeFileSync(k6, '#!/bin/sh\necho "k6 v2.2.0 (go1.25)"\n');
    assert.match(findGenerator(ANY, directory).about, /runner/, 'nor is what nobody may run');
    chmodSync(k6, 0o755);
    const generator = findGenerator(ANY, directory);
    assert.deepEqual([generator.about, generator.command], ['k6 v2.2.0', k6]);
    assert.deepEqual(generator.args('s.ts', 'f'), [
      'run',
      '--quiet',
      '--no-usage-report',
      '--out',
      'json=f',
      's.ts',
    ]);
    assert.match(findGenerator({ ...ANY, ownRunner: true }, directory).about, /runner/);
    const patient = read('smoke', '--max-late', '2s');
    assert.ok(patient);
    const runner = findGenerator(patient, directory);
    assert.match(runner.about, /runner/, 'k6 has no such limit');
    assert.deepEqual(runner.args('s.ts', 'f').slice(1), [
      's.ts',
      '--quiet',
      '--max-late',
      '2s',
      '--out',
      'json=f',
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
