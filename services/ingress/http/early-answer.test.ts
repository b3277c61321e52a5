import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { answerEarly, isStillSending } from './early-answer.ts';

function early(limits: Partial<{ bytes: number; ms: number; silenceMs: number }>) {
  const req = new PassThrough();
  const sent: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const raw = {
    req,
    writeHead: (status: number) => sent.push(String(status)),
    write: (body: string) => sent.push(body),
    end: resolve,
  };
  const generous = { bytes: 1000, ms: 60_000, silenceMs: 60_000, ...limits };
  answerEarly({ hijack() {}, raw } as never, 413, {}, '{}', generous);
  return { req, sent, ended };
}

test('the answer is sent at once, and the connection closed when the body has come', async () => {
  const { req, sent, ended } = early({});
  assert.deepEqual(sent, ['413', '{}']);
  req.end('rest');
  await ended;
});

test('a body without end is dropped for a limited length and time', async () => {
  const long = early({ bytes: 10 });
  long.req.write('0123456789x');
  await long.ended;
  await early({ ms: 5 }).ended;
  await early({ silenceMs: 5 }).ended;
});

test('only much of a body that is yet to come needs it', () => {
  const asked = (headers: object, more = {}) =>
    isStillSending({ complete: false, destroyed: false, headers, ...more } as never);
  assert.ok(asked({ 'content-length': '5000000' }));
  assert.ok(asked({ 'transfer-encoding': 'chunked' }));
  assert.ok(!asked({ 'content-length': '5000000' }, { complete: true }));
  assert.ok(!asked({ 'content-length': '10' }));
  assert.ok(!asked({}));
});
