import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { entriesOf } from './contents.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('what a module of the packed command runs by its name is in it', () => {
  const entries = new Set(entriesOf(ROOT));
  const sources = globSync('{libs,services,loadtest,deploy}/**/*.ts', {
    cwd: ROOT,
    exclude: ['**/*.test.ts'],
  });
  const named = sources.flatMap(path =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(/programFile\('([^']+)'\)/g)].map(([, name]) => name),
  );
  assert.ok(named.length >= 2);
  assert.deepEqual(
    named.filter(name => !entries.has(`${name}.ts`)),
    [],
  );
});
