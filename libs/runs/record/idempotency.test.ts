import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idempotencyOf } from './idempotency.ts';

const body = Buffer.from('{}');

test('without a key nothing is repeated', () => {
  assert.equal(idempotencyOf('t', undefined, '/v1/x', body), null);
});

test('a key stands for one tenant, and for one request to one path', () => {
  const of = (tenant: string, path: string, text: string) =>
    idempotencyOf(tenant, 'key', path, Buffer.from(text));
  assert.deepEqual(of('t', '/a', '{}'), of('t', '/a', '{}'));
  assert.notEqual(of('t', '/a', '{}')?.key, of('u', '/a', '{}')?.key);
  assert.equal(of('t', '/a', '{}')?.key, of('t', '/b', '[]')?.key);
  assert.notEqual(of('t', '/a', '{}')?.digest, of('t', '/b', '{}')?.digest);
  assert.notEqual(of('t', '/a', '{}')?.digest, of('t', '/a', '[]')?.digest);
});

test('a key has 1 to 255 characters and is given once', () => {
  assert.notEqual(idempotencyOf('t', 'k'.repeat(255), '/', body), null);
  for (const key of ['', 'k'.repeat(256), ['a', 'b']])
    assert.throws(() => idempotencyOf('t', key, '/', body), { code: 'invalid_request' });
});
