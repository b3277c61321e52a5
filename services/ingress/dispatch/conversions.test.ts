import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope } from '@penstock/protocol';
import { attemptOf, startMemoryIngress, turn } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PATH = '/v1/chat/completions';
const HELD = { holdMs: 1000 };

test('a waiting call becomes a job: its client is sent there, and the queue gets it as stored work', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, take, pass, queue, runStore, open } = ingress;
  const answered = call('POST', PATH, CHAT);
  await queue.published.waitFor();
  pass(1000);
  const { statusCode, headers } = await answered;
  assert.deepEqual([statusCode, headers['location']], [202, '/v1/jobs/r1']);
  await turn();
  assert.equal(open.size, 0);
  const delivery = await take('interactive');
  const { meta } = decodeEnvelope(delivery.data);
  assert.deepEqual([meta.stored, meta.attemptBase], [true, 1024]);
  const run = await runStore.read('r1');
  assert.deepEqual([run?.status, meta.deadlineAt], ['queued', run?.deadlineAt]);
});

test('a call that runs is answered into its record, and acked only then', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, take, reply, pass, queue, runStore, open } = ingress;
  const answered = call('POST', PATH, CHAT);
  const delivery = await take('interactive');
  await reply(delivery, [['accepted']]);
  pass(1000);
  assert.equal((await answered).statusCode, 202);
  assert.equal((await runStore.read('r1'))?.status, 'in_progress');
  await reply(delivery, [['result', '{"choices":[]}']]);
  await queue.settled.waitFor(({ how }) => how === 'ack');
  const run = await runStore.read('r1');
  assert.deepEqual([run?.status, run?.result?.body.toString()], ['completed', '{"choices":[]}']);
  assert.equal(open.size, 0);
  const job = await call('GET', '/v1/jobs/r1');
  assert.deepEqual([job.statusCode, job.body], [200, '{"choices":[]}']);
});

test('a converted call whose attempt fails is left to the queue', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, take, reply, pass, open } = ingress;
  const answered = call('POST', PATH, CHAT);
  const delivery = await take('interactive');
  await reply(delivery, [['accepted']]);
  pass(1000);
  await answered;
  await reply(delivery, [['failed']]);
  await turn();
  assert.equal(open.size, 0);
  const again = await take('interactive');
  assert.equal(decodeEnvelope(again.data).meta.stored, true);
  assert.ok(attemptOf(again).attempt > attemptOf(delivery).attempt);
});

test('a response that may not be stored is refused instead, and the client told not to try again', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, pass, queue } = ingress;
  const answered = call('POST', '/v1/responses', { model: 'm', input: 'Hello', store: false });
  await queue.published.waitFor();
  pass(1000);
  const { statusCode, headers, body } = await answered;
  assert.deepEqual([statusCode >= 500, JSON.parse(body).error.code], [true, 'held_too_long']);
  assert.equal(headers['x-should-retry'], 'false');
  assert.deepEqual(queue.queued, []);
});

test('a stream is never converted', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, take, reply, pass, runStore } = ingress;
  const answered = call('POST', PATH, { ...CHAT, stream: true });
  const delivery = await take('interactive');
  pass(5000);
  await reply(delivery, [['accepted'], ['end', 'data: [DONE]\n\n']]);
  assert.equal((await answered).statusCode, 200);
  assert.equal(await runStore.read('r1'), null);
});

test('the record of a converted call says where its message is, so that whoever cancels it finds it', async () => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, pass, queue, runStore } = ingress;
  const answered = call('POST', PATH, { ...CHAT, service_tier: 'flex' });
  await queue.published.waitFor();
  pass(1000);
  assert.equal((await answered).statusCode, 202);
  await turn();
  assert.match(queue.queued.join(), /\.background\.any\.any\.r1$/);
  assert.equal((await runStore.read('r1'))?.address?.lane, 'background');
  await call('POST', '/v1/jobs/r1/cancel');
  assert.deepEqual(queue.queued, []);
});

test('a client gets its 202 although Redis does not answer once the record is made', async t => {
  await using ingress = await startMemoryIngress(HELD);
  const { call, pass, queue, runStore } = ingress;
  t.mock.method(runStore, 'read', () => Promise.reject(new Error('away')));
  const answered = call('POST', PATH, CHAT);
  await queue.published.waitFor();
  pass(1000);
  assert.equal((await answered).statusCode, 202);
});
