import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROFILES } from '@penstock/engine-sim';
import { readArguments, SCENARIOS, UsageError } from './arguments.ts';
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
  ] as const)
    assert.throws(
      () => read(...argv),
      (err: Error) => err instanceof UsageError && err.message === message,
      message,
    );
});

test("the user's k6 is used where it is on the PATH, unless the runner is asked for", () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-path-'));
  try {
    assert.match(findGenerator(false, directory).about, /runner/);
    // A stand-in that only tells its version: k6 itself is no part of this project.
    const k6 = join(directory, 'k6');
    writeFileSync(k6, '#!/bin/sh\necho "k6 v2.2.0 (go1.25)"\n');
    chmodSync(k6, 0o755);
    const generator = findGenerator(false, directory);
    assert.deepEqual([generator.about, generator.command], ['k6 v2.2.0', k6]);
    assert.deepEqual(generator.args('s.ts', 'f'), [
      'run',
      '--quiet',
      '--no-usage-report',
      '--out',
      'json=f',
      's.ts',
    ]);
    assert.match(findGenerator(true, directory).about, /runner/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
