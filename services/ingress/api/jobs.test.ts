import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope } from '@penstock/protocol';
import { nth } from '@penstock/transport/contracts';
import { attemptOf, startMemoryIngress } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PATH = '/v1/chat/completions';
const ASYNC = { prefer: 'respond-async' };
const ANSWER = '{"choices":[]}';
const TTL = { recordMs: 60_000, logMs: 60_000 };

/** As {@link startMemoryIngress}, with a worker that stores what it answers. */
async function start() {
  const ingress = await startMemoryIngress();
  const finish = async (lane: 'interactive' | 'background') => {
    const delivery = await ingress.take(lane);
    const { id, attempt } = attemptOf(delivery);
    await ingress.runStore.begin(id, nth(attempt), 'w-1');
    const result = {
      ...{ status: 200, contentType: 'application/json', body: Buffer.from(ANSWER), finishedAt: 0 },
    };
    const end = { status: 'completed', result, log: 'none', last: null } as const;
    await ingress.runStore.finish(id, nth(attempt), end, TTL);
    ingress.queue.settle(delivery.ackSubject, 'ack');
    ingress.queue.send({ kind: 'run_ended', region: 'eu' }, Buffer.from(id));
    return delivery;
  };
  return { ...ingress, finish };
}

test('respond-async is answered with 202 and the location of the job, once the work is queued', async () => {
  await using ingress = await start();
  const { call, queue, finish } = ingress;
  const { statusCode, headers, body } = await call('POST', PATH, CHAT, ASYNC);
  assert.deepEqual([statusCode, headers['location']], [202, '/v1/jobs/r1']);
  assert.equal(headers['preference-applied'], 'respond-async');
  assert.ok(Number(headers['retry-after']) >= 1);
  assert.deepEqual([JSON.parse(body).status, queue.queued.length], ['queued', 1]);
  assert.equal((await call('GET', '/v1/jobs/r1')).statusCode, 202);
  const { meta } = decodeEnvelope((await finish('background')).data);
  assert.deepEqual([meta.stored, meta.lane, meta.size], [true, 'background', 'any']);
  const { statusCode: now, body: answer } = await call('GET', '/v1/jobs/r1');
  assert.deepEqual([now, answer], [200, ANSWER]);
});

test('a repeated key is the same job, and another request under it is refused', async () => {
  await using ingress = await start();
  const { call, queue } = ingress;
  const keyed = { ...ASYNC, 'idempotency-key': 'k' };
  const first = await call('POST', PATH, CHAT, keyed);
  const second = await call('POST', PATH, CHAT, keyed);
  assert.deepEqual([second.statusCode, second.headers['location']], [202, first.headers['location']]);
  assert.equal(queue.queued.length, 1);
  const other = await call('POST', PATH, { ...CHAT, temperature: 0 }, keyed);
  assert.equal(JSON.parse(other.body).error.code, 'idempotency_key_reused');
});

test('a keyed call is held until its answer is stored, and gets it', async () => {
  await using ingress = await start();
  const { call, finish } = ingress;
  const answered = call('POST', PATH, CHAT, { 'idempotency-key': 'k' });
  await finish('interactive');
  const { statusCode, body } = await answered;
  assert.deepEqual([statusCode, body], [200, ANSWER]);
});

test('a job that the queue refuses leaves no record, and its key can be used again', async () => {
  await using ingress = await start();
  const { call, queue, runStore } = ingress;
  queue.setConnected(false);
  const keyed = { ...ASYNC, 'idempotency-key': 'k' };
  assert.equal((await call('POST', PATH, CHAT, keyed)).statusCode, 503);
  assert.equal(await runStore.read('r1'), null);
  queue.setConnected(true);
  assert.equal((await call('POST', PATH, CHAT, keyed)).statusCode, 202);
});

test('a cancelled job leaves the queue; cancelled twice it stays cancelled', async () => {
  await using ingress = await start();
  const { call, queue } = ingress;
  await call('POST', PATH, CHAT, ASYNC);
  for (let i = 0; i < 2; i++) {
    const { body } = await call('POST', '/v1/jobs/r1/cancel');
    assert.equal(JSON.parse(body).status, 'cancelled');
  }
  assert.deepEqual(queue.queued, []);
});

test('a job that is deleted is not found, nor is one of another kind', async () => {
  await using ingress = await start();
  const { call } = ingress;
  await call('POST', PATH, CHAT, ASYNC);
  assert.equal(JSON.parse((await call('DELETE', '/v1/jobs/r1')).body).deleted, true);
  assert.equal((await call('GET', '/v1/jobs/r1')).statusCode, 404);
  const stored = await call('POST', PATH, { ...CHAT, store: true }, ASYNC);
  const id = String(stored.headers['location']).replace(/^.*chatcmpl-/, '');
  assert.equal((await call('GET', `/v1/jobs/${id}`)).statusCode, 404);
  assert.equal((await call('GET', `/v1/chat/completions/chatcmpl-${id}`)).statusCode, 202);
});

test('a job whose deadline has passed is reported as failed', async () => {
  await using ingress = await start();
  const { call, pass } = ingress;
  await call('POST', PATH, CHAT, { ...ASYNC, 'x-request-timeout-ms': '5000' });
  pass(5001);
  const { statusCode, body } = await call('GET', '/v1/jobs/r1');
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [504, 'deadline_exceeded']);
});
