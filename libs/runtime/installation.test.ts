import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { commandLine, programFile, serviceArguments } from './installation.ts';

test('a checkout runs its programs as TypeScript, by npm', () => {
  assert.match(programFile('loadtest/cli/main'), /\/loadtest\/cli\/main\.ts$/);
  assert.equal(commandLine('start'), 'npm start');
  assert.equal(commandLine('dlq'), 'npm run dlq --');
});

test('every service is found by the name of its folder', () => {
  for (const service of ['ingress', 'worker', 'tasks', 'console', 'engine-sim'])
    assert.ok(existsSync(serviceArguments(service).at(-1) ?? ''), service);
});
