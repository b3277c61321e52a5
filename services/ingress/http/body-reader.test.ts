/** Bodies that are too large, or come while there is no room: every kind of client gets the answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { SharedRoom } from '@penstock/runtime';
import { startMemoryIngress } from '../ingress.fixture.ts';
import { BodyReader } from './body-reader.ts';

const MB = 1024 * 1024;
const LIMIT = 2 * MB;
const PATH = '/v1/chat/completions';
const AUTH = { authorization: 'Bearer sk-0123456789', 'content-type': 'application/json' };

/** Sends all of it before it reads anything, as blocking clients do. */
async function sendThenRead(url: string, head: string, pieces: readonly Buffer[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.pause();
  socket.on('error', () => {});
  const headers = Object.entries(AUTH).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\n${headers.join('')}${head}\r\n`);
  for (const piece of pieces) await new Promise(resolve => socket.write(piece, resolve));
  return Buffer.concat(await socket.toArray()).toString();
}

const tooLong = Buffer.alloc(16 * MB, 'x');
const asChunks = Array.from({ length: 16 }, () =>
  Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MB, 'x'), Buffer.from('\r\n')]),
);

test('a body that is too large is answered with a readable 413', async t => {
  await using ingress = await startMemoryIngress({ bodyLimitBytes: LIMIT });
  const { url } = ingress;
  await t.test('for a client that reads while it sends', async () => {
    const response = await fetch(url + PATH, { method: 'POST', headers: AUTH, body: tooLong });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.deepEqual([response.status, error.code], [413, 'body_too_large']);
    assert.match(error.message, /2097152 bytes.*PENSTOCK_BODY_LIMIT_BYTES/);
    assert.equal(response.headers.get('connection'), 'close');
    assert.match(response.headers.get('x-request-id') ?? '', /^req_/);
  });
  await t.test('for one that sends everything first', async () => {
    const answer = await sendThenRead(url, `content-length: ${tooLong.length}\r\n`, [tooLong]);
    assert.match(answer, /^HTTP\/1.1 413 [\s\S]*"code":"body_too_large"/);
  });
  await t.test('for one that names no length', async () => {
    const end = Buffer.from('0\r\n\r\n');
    const answer = await sendThenRead(url, 'transfer-encoding: chunked\r\n', [...asChunks, end]);
    assert.match(answer, /^HTTP\/1.1 413 [\s\S]*"code":"body_too_large"/);
  });
  await t.test('and so is any other refusal before the end of a body', async () => {
    const headers = { ...AUTH, authorization: 'Bearer sk-wrong-0123' };
    const response = await fetch(url + PATH, { method: 'POST', headers, body: tooLong });
    assert.equal(response.status, 401);
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'invalid_api_key');
  });
});

test('a body of exactly the limit is read, with and without its length', async () => {
  await using ingress = await startMemoryIngress({ bodyLimitBytes: LIMIT });
  // Only then is a model known not to exist.
  ingress.pass(3000);
  const base = JSON.stringify({ model: 'none', messages: [{ role: 'user', content: '' }] });
  const body = base.replace('""', `"${'x'.repeat(LIMIT - base.length)}"`);
  assert.equal(body.length, LIMIT);
  const whole = await fetch(ingress.url + PATH, { method: 'POST', headers: AUTH, body });
  assert.equal(whole.status, 404);
  const chunked = request(ingress.url + PATH, { method: 'POST', headers: AUTH });
  for (let at = 0; at < body.length; at += 100_000) chunked.write(body.slice(at, at + 100_000));
  chunked.end();
  const [answer] = await once(chunked, 'response');
  assert.equal(answer.statusCode, 404);
  answer.resume();
});

function incoming(length: number | null) {
  const raw = new PassThrough() as PassThrough & { headers: Record<string, string> };
  raw.headers = length === null ? {} : { 'content-length': String(length) };
  return raw as never as PassThrough & Parameters<BodyReader['read']>[0];
}

test('a large body takes room before it is read, and gives it back when it breaks off', async () => {
  const budget = new SharedRoom(9 * MB);
  const reader = new BodyReader({ limitBytes: 4 * MB, budget, roomWaitMs: 1 });
  const first = incoming(3 * MB);
  const read = reader.read(first, 'a');
  assert.equal(budget.takenBytes, 3 * MB);
  await assert.rejects(reader.read(incoming(4 * MB), 'a'), { code: 'too_many_large_bodies' });
  first.write(Buffer.alloc(MB));
  first.destroy();
  await assert.rejects(read, { code: 'invalid_request' });
  assert.equal(budget.takenBytes, 0);
});

test('a body without a length takes room as it grows', async () => {
  const budget = new SharedRoom(9 * MB);
  const reader = new BodyReader({ limitBytes: 4 * MB, budget });
  const raw = incoming(null);
  const read = reader.read(raw, 'a');
  const pieces = Array.from({ length: 30 }, (_, i) => Buffer.alloc(100_000, i));
  for (const piece of pieces) if (!raw.write(piece)) await once(raw, 'drain');
  raw.end();
  assert.ok((await read).equals(Buffer.concat(pieces)));
  assert.equal(budget.takenBytes, 4 * MB);
});

test('a sender that falls silent in the middle of a large body is given up', async () => {
  const budget = new SharedRoom(9 * MB);
  const raw = incoming(3 * MB);
  const read = new BodyReader({ limitBytes: 4 * MB, budget, silenceMs: 5 }).read(raw, 'a');
  raw.write(Buffer.alloc(MB));
  await assert.rejects(read, { code: 'body_timeout' });
  assert.equal(budget.takenBytes, 0);
});

test('a body that comes drop by drop is given up after a minute, however short it is', async () => {
  const raw = incoming(1000);
  const read = new BodyReader({ limitBytes: MB, budget: new SharedRoom(MB), wholeMs: 5 }).read(raw, 'a');
  raw.write('{');
  await assert.rejects(read, { code: 'body_timeout' });
});

test('of a sender whose key is none no more is read', async () => {
  await using ingress = await startMemoryIngress({ bodyLimitBytes: LIMIT });
  const { hostname, port } = new URL(ingress.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', chunk => {
    answer += chunk;
  });
  socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-wrong-0123\r\n`);
  socket.write('content-type: application/json\r\ncontent-length: 1000000000\r\n\r\n');
  const closed = once(socket, 'close');
  const piece = Buffer.alloc(MB);
  let isTaken = true;
  let taken = 0;
  // What the two kernels hold is taken all the same.
  while (isTaken && taken < 64 * MB) {
    isTaken = await Promise.race([
      new Promise<boolean>(resolve => socket.write(piece, err => resolve(!err))),
      closed.then(() => false),
    ]);
    taken += MB;
  }
  assert.match(answer, /^HTTP\/1.1 401 [\s\S]*"code":"invalid_api_key"/);
  assert.ok(taken < 64 * MB);
});
