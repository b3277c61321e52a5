import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError, decodeEnvelope, subjectOf } from '@penstock/protocol';
import { startMemoryIngress, turn } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PATH = '/v1/chat/completions';
/** With `session` affinity it is bound to the only worker. */
const BOUND = { affinityOf: () => 'session' as const };

test('a request is published as its client wrote it, answered by the worker and acked', async () => {
  await using ingress = await startMemoryIngress();
  const { call, take, reply, queue, open } = ingress;
  const answered = call('POST', PATH, CHAT);
  const delivery = await take('interactive');
  const { meta, body } = decodeEnvelope(delivery.data);
  assert.deepEqual(JSON.parse(body.toString()), CHAT);
  assert.deepEqual([meta.id, meta.from, meta.stored, meta.size], ['r1', 'in-1', false, 'short']);
  await reply(delivery, [['accepted'], ['result', '{"choices":[]}']]);
  const { statusCode, headers, body: text } = await answered;
  assert.deepEqual([statusCode, text], [200, '{"choices":[]}']);
  assert.deepEqual([headers['x-penstock-worker'], headers['x-penstock-attempt']], ['w-1', '1']);
  assert.deepEqual([open.size, queue.queued], [0, []]);
});

test('events are written as they come, and only the end of the stream acks', async () => {
  await using ingress = await startMemoryIngress();
  const { call, take, reply, queue } = ingress;
  const answered = call('POST', PATH, { ...CHAT, stream: true });
  const delivery = await take('interactive');
  await reply(delivery, [['accepted'], ['events', 'data: 1\n\n']]);
  assert.equal(queue.settled.items.length, 0);
  await reply(delivery, [['end', 'data: [DONE]\n\n']]);
  assert.equal((await answered).body, 'data: 1\n\ndata: [DONE]\n\n');
  assert.deepEqual(
    queue.settled.items.map(({ how }) => how),
    ['ack'],
  );
});

test('a bound request that its worker does not take is published once more, for all', async () => {
  await using ingress = await startMemoryIngress(BOUND);
  const { call, take, reply, pass, queue } = ingress;
  const answered = call('POST', PATH, CHAT);
  const { address } = await queue.published.waitFor();
  assert.match(subjectOf(address), /\.to\.w-1\.r1$/);
  await turn();
  pass(251);
  await turn();
  assert.equal(queue.queued.length, 1, 'nothing is left on the bound subject');
  const delivery = await take('interactive');
  assert.equal(decodeEnvelope(delivery.data).meta.attemptBase, 1024);
  await reply(delivery, [['accepted'], ['result', '{}']]);
  assert.equal((await answered).statusCode, 200);
});

test('a bound request that its worker takes stays with it', async () => {
  await using ingress = await startMemoryIngress(BOUND);
  const { call, take, reply, pass, queue } = ingress;
  const answered = call('POST', PATH, CHAT);
  const delivery = await take('interactive', true);
  await reply(delivery, [['accepted']]);
  pass(1000);
  await reply(delivery, [['result', '{}']]);
  assert.equal((await answered).statusCode, 200);
  assert.equal(queue.published.items.length, 1);
});

test('a failed attempt is tried again, unseen by the client', async () => {
  await using ingress = await startMemoryIngress();
  const { call, take, reply, queue, pass } = ingress;
  const answered = call('POST', PATH, CHAT);
  await reply(await take('interactive'), [['accepted'], ['failed']]);
  assert.deepEqual(queue.settled.items.at(-1)?.how, 'nak');
  pass(100);
  queue.elapse();
  const again = await take('interactive');
  assert.equal(again.deliveryCount, 2);
  await reply(again, [['accepted'], ['result', '{}']]);
  const { statusCode, headers } = await answered;
  assert.deepEqual([statusCode, headers['x-penstock-attempt']], [200, '2']);
});

test('a refusal of the queue is reported to the client, and nothing stays open', async () => {
  await using ingress = await startMemoryIngress();
  const { call, queue, open, beat } = ingress;
  beat();
  await turn();
  queue.setConnected(false);
  const { statusCode, body } = await call('POST', PATH, CHAT);
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [503, 'broker_unavailable']);
  assert.equal(open.size, 0);
});

test('a request that a worker has is queued, whatever the queue says of it in the end', async t => {
  await using ingress = await startMemoryIngress();
  const { call, take, reply, queue, open } = ingress;
  const publish = queue.publish.bind(queue);
  const unheard = Promise.withResolvers<never>();
  t.mock.method(queue, 'publish', async (...args: Parameters<typeof publish>) => {
    await publish(...args);
    await unheard.promise;
  });
  const answered = call('POST', PATH, { ...CHAT, stream: true });
  const delivery = await take('interactive');
  await reply(delivery, [['accepted'], ['events', 'data: 1\n\n']]);
  unheard.reject(new DispatchError('broker_unavailable'));
  await turn();
  await reply(delivery, [['end', 'data: [DONE]\n\n']]);
  assert.equal((await answered).body, 'data: 1\n\ndata: [DONE]\n\n');
  assert.deepEqual([open.size, queue.queued], [0, []]);
});

test('a deadline ends a request that no worker takes, and purges it from the queue', async () => {
  await using ingress = await startMemoryIngress();
  const { call, pass, queue } = ingress;
  const answered = call('POST', PATH, CHAT, { 'x-request-timeout-ms': '5000' });
  await queue.published.waitFor();
  pass(5000);
  const { statusCode, body } = await answered;
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [504, 'deadline_exceeded']);
  assert.deepEqual(queue.queued, []);
});

test('what the queue takes only after its request has ended is taken off it again', async t => {
  await using ingress = await startMemoryIngress();
  const { call, pass, queue } = ingress;
  const publish = queue.publish.bind(queue);
  const isBack = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<number | undefined>();
  t.mock.method(queue, 'publish', async (...args: Parameters<typeof publish>) => {
    begun.resolve(args[2].holdMs);
    await isBack.promise;
    await publish(...args);
  });
  const answered = call('POST', PATH, CHAT, { 'x-request-timeout-ms': '5000' });
  assert.equal(await begun.promise, 5000, 'nobody waits for it longer');
  pass(5000);
  assert.equal((await answered).statusCode, 504);
  isBack.resolve();
  await queue.published.waitFor();
  await turn();
  assert.deepEqual(queue.queued, []);
});

const LIMITS = [
  { 'x-stainless-read-timeout': '3' },
  { 'x-stainless-timeout': '3' },
  { 'x-request-timeout-ms': '3000' },
];

test('no time-out of a client cuts a stream that flows, and silence in it is filled with comments', async () => {
  for (const headers of LIMITS) {
    await using ingress = await startMemoryIngress();
    const { call, take, reply, pass } = ingress;
    const answered = call('POST', PATH, { ...CHAT, stream: true }, headers);
    const delivery = await take('interactive');
    pass(2000);
    await reply(delivery, [['accepted'], ['events', 'data: 1\n\n']]);
    pass(9000);
    await reply(delivery, [['events', 'data: 2\n\n']]);
    pass(1000);
    pass(9900);
    pass(100);
    await reply(delivery, [['end', 'data: [DONE]\n\n']]);
    const { body } = await answered;
    assert.equal(body, 'data: 1\n\ndata: 2\n\n: waiting\n\ndata: [DONE]\n\n');
  }
});

test('they limit the wait for its first token, and for an answer in one piece', async () => {
  for (const headers of LIMITS)
    for (const stream of [false, true]) {
      await using ingress = await startMemoryIngress();
      const { call, take, reply, pass, queue } = ingress;
      const answered = call('POST', PATH, { ...CHAT, stream }, headers);
      await reply(await take('interactive'), [['accepted']]);
      pass(2999);
      pass(1);
      const { statusCode, body } = await answered;
      assert.deepEqual([statusCode, JSON.parse(body).error.code], [504, 'deadline_exceeded']);
      assert.deepEqual(queue.queued, []);
    }
});

const LARGE = { ...CHAT, messages: [{ role: 'user', content: 'x'.repeat(1_500_000) }] };

test('a large body is in the store while it is answered; its memory is free unless it is shown later', async () => {
  await using ingress = await startMemoryIngress({ bodyLimitBytes: 3e6 });
  const { call, take, reply, bodies } = ingress;
  const room = async () => {
    const { body } = await call('GET', '/metrics');
    return Number(/^penstock_large_body_bytes (\d+)/m.exec(body)?.[1]);
  };
  const kept = async () => {
    const ids: string[] = [];
    for await (const { id } of bodies.list()) ids.push(id);
    return ids;
  };
  for (const store of [false, true]) {
    const asked = { ...LARGE, store };
    const answered = call('POST', PATH, asked);
    const delivery = await take('interactive', false, 'long');
    const { meta, body } = decodeEnvelope(delivery.data);
    assert.deepEqual([body.length, meta.claim?.bytes], [0, JSON.stringify(asked).length]);
    assert.equal((await kept()).length, 1);
    assert.equal((await room()) > 0, store);
    await reply(delivery, [['accepted'], ['result', '{"choices":[]}']]);
    assert.equal((await answered).statusCode, 200);
    await turn();
    assert.deepEqual([await kept(), await room()], [[], 0]);
  }
});
