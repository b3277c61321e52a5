import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { EXPOSED_HEADERS, parseOrigins } from './cors.ts';

test('origins are a list, or * alone', () => {
  assert.equal(parseOrigins('*'), 'any');
  assert.deepEqual([...parseOrigins('')], []);
  const listed = 'https://a.example, http://localhost:3000,app://obsidian.md,chrome-extension://abc';
  assert.equal(new Set(parseOrigins(listed)).size, 4);
  for (const bad of [
    'https://a.example/',
    'a.example',
    'https://*.a.example',
    '*,https://a.example',
    'https://a b',
  ])
    assert.throws(() => parseOrigins(bad), /^TypeError: use \* alone, or origins/, bad);
});

test('a page may read every header of ours', () => {
  const root = resolve(import.meta.dirname, '..');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.ts') && !name.includes('.test.') && !name.includes('node_modules'),
  );
  const named = sources.flatMap(name => [
    ...readFileSync(join(root, name), 'utf8').matchAll(/'((?:x-penstock|openai)-[a-z-]+)'/g),
  ]);
  assert.ok(named.length > 5);
  for (const [, header] of named) assert.ok(new Set<string>(EXPOSED_HEADERS).has(header ?? ''), header);
});
