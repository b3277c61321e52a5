import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope, encodeEnvelope, UnreadableEnvelope, type WorkMeta } from './envelope.ts';

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

test('what may be of a later version is told from what is no envelope', () => {
  const later = [
    { ...meta, v: 3 },
    { v: 3, id: 'x' },
    { ...meta, endpoint: 'not_known_yet' },
    { ...meta, lane: 'not_known_yet' },
  ];
  const mayBeNewer = (line: string) => {
    try {
      return decodeEnvelope(Buffer.from(`${line}\n{}`));
    } catch (err) {
      assert.ok(err instanceof UnreadableEnvelope);
      return err.mayBeNewer;
    }
  };
  for (const each of later) assert.equal(mayBeNewer(JSON.stringify(each)), true);
  for (const line of ['', 'x', '7', 'null', '[]', '{}', '{"v":2}', '{"v":"x","id":"x"}'])
    assert.equal(mayBeNewer(line), false, line);
});
