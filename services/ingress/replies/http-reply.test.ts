import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { dialectOf } from '../http/errors.ts';
import { AnswerRoom } from '../sending/answer-room.ts';
import { HttpReply } from './http-reply.ts';

const MB = 1024 * 1024;
const SERVED = { worker: 'w-1', attempt: 1, waitMs: 0 };

/** A stream to a client that has taken nothing yet. */
function startReply() {
  const raw = {
    ...{ headersSent: false, destroyed: false, writableLength: 0, writableNeedDrain: false, socket: null },
    once() {},
    writeHead: () => {
      raw.headersSent = true;
    },
    write: (bytes: Buffer) => {
      raw.writableLength += bytes.length;
      raw.writableNeedDrain = true;
    },
    destroy: () => {
      raw.destroyed = true;
    },
  };
  const reply = new HttpReply({
    raw: raw as unknown as ServerResponse,
    ...{
      tenant: 'a',
      abandon() {},
      room: new AnswerRoom({ totalBytes: 1e9, monotonic: () => 0, open: () => [] }),
    },
    request: { id: 'r1', headers: {} },
    dialect: dialectOf({ id: 'r1', headers: {}, url: '/v1/chat/completions' }),
    ...{ streamed: true, keepAliveMs: 10_000, headers: {}, tookMs: () => 0 },
  });
  return { raw, write: (bytes: number) => reply.events(Buffer.alloc(bytes), SERVED) };
}

test('a reader is cut off with 1 MB unsent', () => {
  const { raw, write } = startReply();
  for (let i = 0; i < 16; i++) write(MB / 16);
  assert.equal(raw.destroyed, false);
  for (let i = 0; i < 2; i++) write(MB / 16);
  assert.equal(raw.destroyed, true);
});

test('a long event is not held against its reader, unless much comes behind it', () => {
  const { raw, write } = startReply();
  write(30 * MB);
  write(MB);
  assert.equal(raw.destroyed, false);
  write(1);
  assert.equal(raw.destroyed, true);
});
