import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from './encode-message.ts';
import { type IngressStatus, readIngressStatus as readFrom } from './ingress-status.ts';

const STATUS: IngressStatus = {
  ...{
    v: 1,
    ingress: 'in-1',
    incarnation: 'p1',
    leaving: false,
    open: 2,
    arrivals: 9,
    finished: { done: 7 },
  },
  ...{ placements: { cached: 9 }, promptTokens: { m: 70 }, expectedTokens: { m: 50 }, cachedTokens: {} },
  ttft: { bounds: [0.1, 1], counts: [1, 5, 7] },
  queueWait: { bounds: [0.1, 1], counts: [6, 7, 7] },
  waiting: [{ slug: 'm', lane: 'interactive', requests: 1, oldestMs: 20 }],
};
const readIngressStatus = (read: Uint8Array) => readFrom(read, 'in-1');
const bytes = (message: object) => Buffer.from(JSON.stringify(message));

test('a status is read as it was sent; what a newer version adds is left out', () => {
  assert.deepEqual(readIngressStatus(encodeMessage(STATUS)), STATUS);
  assert.deepEqual(readIngressStatus(bytes({ ...STATUS, mood: 'good' })), STATUS);
  // Of the version before.
  assert.deepEqual(readIngressStatus(bytes({ ...STATUS, placements: undefined }))?.placements, {});
});

test('what is no status of this version is ignored, whatever it is', () => {
  for (const message of [{ ...STATUS, v: 2 }, { ...STATUS, open: -1 }, { ...STATUS, ttft: null }, [], 7])
    assert.equal(readIngressStatus(bytes(message as object)), null);
  assert.equal(readIngressStatus(Buffer.from('{"v":1')), null);
});
