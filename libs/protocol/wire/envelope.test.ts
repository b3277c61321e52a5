import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope, encodeEnvelope, type WorkMeta } from './envelope.ts';

const meta: WorkMeta = {
  v: 1,
  id: 'abc',
  from: 'in-1',
  endpoint: 'chat',
  model: 'org/Model 7',
  slug: 'org-model-7',
  lane: 'interactive',
  size: 'short',
  stream: true,
  promptTokens: 12,
  maxTokens: null,
  acceptedAt: 1,
  deadlineAt: 2,
  attemptBase: 0,
  ask: false,
  stored: false,
  held: { 'w-1': 512 },
  fleetRate: 11_000,
};

test('the body travels byte for byte', () => {
  const body = Buffer.from('{"messages":[\n{"role":"user"}]}\n\u00e9');
  const read = decodeEnvelope(encodeEnvelope(meta, body));
  assert.deepEqual(read.meta, meta);
  assert.deepEqual(read.body, body);
});

test('anything else is refused without quoting it', () => {
  for (const bad of ['', 'secret', 'secret\n{}', '{"v":2,"secret":1}\n{}']) {
    assert.throws(
      () => decodeEnvelope(Buffer.from(bad)),
      (err: Error) => /work envelope/.test(err.message) && !/secret/.test(err.message),
    );
  }
});
