/** What becomes of requests that wait at the door: with one worker that says nothing of its room, two are on their way at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope } from '@penstock/protocol';
import type { IngressSettings } from '../given.ts';
import { startMemoryIngress, turn } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PATH = '/v1/chat/completions';
const STREAM = { ...CHAT, stream: true };
const END = 'data: [DONE]\n\n';

type Started = Awaited<ReturnType<typeof startMemoryIngress>>;

/** An ingress at which two requests are on their way, and another one waits. */
async function startFull(some: Partial<IngressSettings> = {}, body: object = STREAM, headers = {}) {
  const ingress = await startMemoryIngress(some);
  const { call, queue, open } = ingress;
  const ahead = [call('POST', PATH, STREAM), call('POST', PATH, STREAM)];
  while (queue.published.items.length < 2) await turn();
  const controller = new AbortController();
  const answered = call('POST', PATH, body, headers, controller.signal);
  // What a test leaves open is cut off when its server goes.
  for (const each of [...ahead, answered]) each.catch(() => {});
  while (open.size < 3) await turn();
  return { ...ingress, answered, leave: () => controller.abort() };
}

async function serve({ take, reply }: Pick<Started, 'reply' | 'take'>): Promise<string> {
  const delivery = await take('interactive');
  await reply(delivery, [['accepted'], ['events', 'data: 1\n\n'], ['end', END]]);
  return decodeEnvelope(delivery.data).meta.id;
}

const publishedIds = ({ queue }: Pick<Started, 'queue'>) =>
  queue.published.items.map(({ address }) => address.id);

async function metric({ call }: Pick<Started, 'call'>, line: RegExp): Promise<string | undefined> {
  const { body } = await call('GET', '/metrics');
  return line.exec(body)?.[1];
}

test('it goes when an engine has begun what is before it, and its trail says that it waited', async () => {
  await using full = await startFull({ affinityOf: () => 'session' });
  const { answered, take, reply, open, pass } = full;
  assert.deepEqual(publishedIds(full), ['r1', 'r2']);
  assert.equal(await metric(full, /^penstock_door_waiting\{model="m"\} (\d)/m), '1');
  pass(100);
  const first = await take('interactive', true);
  await reply(first, [['accepted'], ['events', 'data: 1\n\n']]);
  await turn();
  assert.deepEqual(publishedIds(full), ['r1', 'r2', 'r3']);
  assert.equal(full.queue.published.items[2]?.address.worker, 'w-1', 'it is placed when its turn comes');
  const events = open.get('r3')?.trail?.events ?? [];
  const happened = events.map(({ kind, reason = '' }) => `${kind} ${reason}`.trim());
  assert.deepEqual(happened, ['accepted', 'held_at_door no_room', 'placed session', 'queued']);
  assert.equal(await metric(full, /^penstock_door_wait_seconds_count\{model="m"\} (\d)/m), '1');
  for (let i = 0; i < 2; i++) {
    const next = await take('interactive', true);
    await reply(next, [['accepted'], ['events', 'data: 1\n\n'], ['end', END]]);
  }
  assert.equal((await answered).body, `data: 1\n\n${END}`);
});

test('where shares are off, nothing waits at the door', async () => {
  await using ingress = await startMemoryIngress({ fairShares: false });
  for (let i = 0; i < 5; i++) void ingress.call('POST', PATH, STREAM).catch(() => {});
  while (ingress.queue.published.items.length < 5) await turn();
});

test('a lower lane does not wait at the door', async () => {
  await using full = await startFull({}, { ...CHAT, service_tier: 'flex' });
  await full.take('background');
});

const PARALLEL = {
  limits: {
    ...{ defaults: { max_parallel_requests: 3 }, isShadow: false, passesUncounted: false },
    priceOf: () => null,
  },
};

test('whose client leaves is never queued, and gives back what limits, the queue and the door had for it, once', async () => {
  await using full = await startFull({ ...PARALLEL, queueLimits: { messages: 6, bytes: 1e9 } });
  const { answered, leave, open, call } = full;
  assert.equal((await call('POST', PATH, STREAM)).statusCode, 429, 'its place is taken');
  leave();
  await answered.catch(() => {});
  while (open.size > 2) await turn();
  assert.equal(await metric(full, /^penstock_door_waiting\{model="m"\} (\d)/m), '0');
  const next = call('POST', PATH, STREAM);
  while (open.size < 3) await turn();
  for (let i = 0; i < 3; i++) await serve(full);
  assert.equal((await next).statusCode, 200);
  assert.equal(publishedIds(full).length, 3);
  assert.ok(!publishedIds(full).includes('r3'));
  assert.deepEqual([open.size, full.queue.queued], [0, []]);
});

test('its deadline ends it there, and what is behind it goes on', async () => {
  await using full = await startFull({ admission: 'off' }, STREAM, { 'x-request-timeout-ms': '2500' });
  full.pass(1000);
  const behind = full.call('POST', PATH, STREAM);
  while (full.open.size < 4) await turn();
  full.pass(1500);
  const { statusCode, body } = await full.answered;
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [504, 'deadline_exceeded']);
  for (let i = 0; i < 3; i++) await serve(full);
  assert.equal((await behind).statusCode, 200);
  assert.deepEqual(publishedIds(full), ['r1', 'r2', 'r4']);
});

test('a call that is held for too long there is queued as a stored run', async () => {
  await using full = await startFull({ holdMs: 1000 }, CHAT);
  full.pass(1000);
  const { statusCode, headers } = await full.answered;
  assert.equal(statusCode, 202);
  while (full.queue.published.items.length < 3) await turn();
  assert.equal(full.open.size, 2);
  for (let i = 0; i < 2; i++) await serve(full);
  const delivery = await full.take('interactive');
  const { meta, body } = decodeEnvelope(delivery.data);
  assert.deepEqual([meta.id, meta.stored, JSON.parse(body.toString())], ['r3', true, CHAT]);
  assert.match(headers['location'] ?? '', /\/v1\/jobs\/r3$/);
  const job = await full.call('GET', '/v1/jobs/r3');
  assert.equal(JSON.parse(job.body).status, 'queued');
});

test('a call whose turn comes while its record is made is queued once, as a stored run', async t => {
  await using full = await startFull({ holdMs: 1000 }, CHAT);
  const create = full.runStore.create.bind(full.runStore);
  const isAsked = Promise.withResolvers<void>();
  const mayGo = Promise.withResolvers<void>();
  t.mock.method(full.runStore, 'create', async (...args: Parameters<typeof create>) => {
    isAsked.resolve();
    await mayGo.promise;
    return create(...args);
  });
  full.pass(1000);
  await isAsked.promise;
  await serve(full);
  while (full.queue.published.items.length < 3) await turn();
  mayGo.resolve();
  assert.equal((await full.answered).statusCode, 202);
  while (full.queue.published.items.length < 4) await turn();
  await serve(full);
  const { meta } = decodeEnvelope((await full.take('interactive')).data);
  assert.deepEqual([meta.id, meta.stored], ['r3', true]);
  assert.equal(full.queue.queued.length, 1);
});

test('a node that gives up what is open queues nothing of it any more', async () => {
  await using full = await startFull();
  await full.open.abandonAll();
  const { statusCode, body } = await full.answered;
  assert.deepEqual([statusCode, JSON.parse(body).error.code], [503, 'shutting_down']);
  await turn();
  assert.deepEqual([publishedIds(full), full.queue.queued], [['r1', 'r2'], []]);
});

test('a large body that waits is in the store, and goes with its request', async () => {
  const large = { ...STREAM, messages: [{ role: 'user', content: 'x'.repeat(150_000) }] };
  await using full = await startFull({}, large);
  const kept = async () => {
    let count = 0;
    for await (const _ of full.bodies.list()) count++;
    return count;
  };
  assert.equal(await kept(), 1);
  full.leave();
  await full.answered.catch(() => {});
  while (full.open.size > 2) await turn();
  await turn();
  assert.equal(await kept(), 0);
});

test('bodies of what waits have a bound, of which a project gets its share', async () => {
  const body = { ...STREAM, messages: [{ role: 'user', content: 'x'.repeat(5000) }] };
  await using full = await startFull({ bodyBudgetBytes: 12_000 }, body);
  const refused = await full.call('POST', PATH, body);
  assert.deepEqual([refused.statusCode, JSON.parse(refused.body).error.code], [429, 'queue_full']);
});

test('what the queue refuses when its turn comes is told to its client, and the next one has its turn', async t => {
  await using full = await startFull();
  const behind = full.call('POST', PATH, STREAM);
  while (full.open.size < 4) await turn();
  const publish = full.queue.publish.bind(full.queue);
  t.mock.method(full.queue, 'publish', async (...args: Parameters<typeof publish>) => {
    if (args[0].id === 'r3') throw new Error('no');
    return publish(...args);
  });
  await serve(full);
  assert.equal((await full.answered).statusCode, 500);
  for (let i = 0; i < 2; i++) await serve(full);
  assert.equal((await behind).statusCode, 200);
});
