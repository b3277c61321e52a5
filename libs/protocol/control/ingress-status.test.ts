import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ingressStatus } from '../ingress-status.fixture.ts';
import { encodeMessage } from './encode-message.ts';
import { readIngressStatus as readFrom } from './ingress-status.ts';

const STATUS = ingressStatus();
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
