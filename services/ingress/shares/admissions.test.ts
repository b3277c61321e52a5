/** Who is let in at the door: with one worker that says nothing of its room, two requests are on their way at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IngressSettings } from '../given.ts';
import { MODEL, startMemoryIngress, turn } from '../ingress.fixture.ts';

const PATH = '/v1/chat/completions';
const STREAM = { model: 'm', messages: [{ role: 'user', content: 'Hello' }], stream: true };
const END = 'data: [DONE]\n\n';
type Started = Awaited<ReturnType<typeof startMemoryIngress>>;

const SOON = { 'x-request-timeout-ms': '3000' };

async function serveNext({ take, reply }: Pick<Started, 'reply' | 'take'>): Promise<void> {
  await reply(await take('interactive'), [['accepted'], ['events', 'data: 1\n\n'], ['end', END]]);
}

/** An ingress at which one request a second was begun, and eight wait. */
async function startBusy(some: Partial<IngressSettings> = {}) {
  const ingress = await startMemoryIngress(some);
  const { call, open, pass } = ingress;
  const patient = { 'x-request-timeout-ms': '600000' };
  for (let i = 0; i < 14; i++) void call('POST', PATH, STREAM, patient).catch(() => {});
  while (open.size < 14) await turn();
  for (let i = 0; i < 4; i++) {
    pass(1000);
    await serveNext(ingress);
    while (open.size > 13 - i) await turn();
  }
  return ingress;
}

const errorIn = ({ body }: { body: string }) =>
  JSON.parse(body).error as { code: string; message: string; type: string };

async function metric(
  { call }: Pick<Awaited<ReturnType<typeof startBusy>>, 'call'>,
  labels: string,
): Promise<string | undefined> {
  const { body } = await call('GET', '/metrics');
  return new RegExp(`^penstock_refused_waits_total\\{${labels}\\} (\\d)`, 'm').exec(body)?.[1];
}

test('who would have left before the first token is refused at once, with the estimate and when to come again', async () => {
  await using busy = await startBusy();
  const queued = busy.queue.published.items.length;
  const refused = await busy.call('POST', PATH, STREAM, SOON);
  assert.deepEqual([refused.statusCode, errorIn(refused).code], [429, 'queue_wait_too_long']);
  assert.match(
    errorIn(refused).message,
    /would begin in about \d+(\.\d)? s, and this request waits for 3\.0 s\./,
  );
  const etaMs = Number(refused.headers['x-penstock-queue-eta-ms']);
  assert.ok(etaMs > 5000 && etaMs < 20_000, `${etaMs}`);
  const after = Number(refused.headers['retry-after']);
  assert.ok(after >= etaMs / 1000 - 1 && after <= Math.min(60, (2 * etaMs) / 1000 + 1), `${after}`);
  assert.equal(refused.headers['x-should-retry'], undefined);
  assert.deepEqual([busy.queue.published.items.length, busy.open.size], [queued, 10]);
  assert.equal(await metric(busy, 'model="m",reason="too_late",mode="enforced"'), '1');
});

test('who waits long enough is queued, and told the estimate', async () => {
  await using busy = await startBusy();
  const answered = busy.call('POST', PATH, STREAM, { 'x-request-timeout-ms': '60000' });
  while (busy.open.size < 11) await turn();
  for (let i = 0; i < 11; i++) await serveNext(busy);
  const { statusCode, headers } = await answered;
  assert.equal(statusCode, 200);
  assert.ok(Number(headers['x-penstock-queue-eta-ms']) > 5000);
});

test('who does not say how long it waits is taken to wait as long as is usual', async () => {
  await using busy = await startBusy({ patienceMs: 2000 });
  const sdk = { 'x-stainless-timeout': '600', 'x-stainless-read-timeout': '600' };
  assert.equal((await busy.call('POST', PATH, STREAM, sdk)).statusCode, 429);
  const message = await busy.call('POST', '/v1/messages', { ...STREAM, max_tokens: 5 });
  assert.deepEqual([message.statusCode, errorIn(message).type], [429, 'rate_limit_error']);
});

test('what can no longer be in time, since workers became slower, leaves and is queued never', async () => {
  await using busy = await startBusy();
  const { open, call, pass, queue } = busy;
  const answered = call('POST', PATH, STREAM, { 'x-request-timeout-ms': '15000' });
  while (open.size < 11) await turn();
  for (let left = 10; left > 7; left--) {
    pass(2500);
    await serveNext(busy);
    while (open.size > left) await turn();
  }
  pass(2500);
  const lost = await answered;
  assert.deepEqual([lost.statusCode, errorIn(lost).code], [429, 'queue_wait_too_long']);
  assert.equal(await metric(busy, 'model="m",reason="lost",mode="enforced"'), '1');
  assert.ok(!queue.published.items.some(({ address }) => address.id === 'r15'));
  assert.equal(open.size, 7);
});

const OTHER = { ...MODEL, name: 'n', slug: 'n' };
const STAND_IN = { modelNames: { aliases: new Map(), fallbacks: new Map([['m', ['n']]]) } };

test('a model that may stand in serves who would be too late at the one that was asked for, and only those', async () => {
  await using busy = await startBusy(STAND_IN);
  const { beat, call, open, queue } = busy;
  beat({ models: [MODEL, OTHER] });
  const slugOf = (id: string) => queue.published.items.find(({ address }) => address.id === id)?.address.slug;
  void call('POST', PATH, STREAM, SOON).catch(() => {});
  while (slugOf('r15') === undefined) await turn();
  assert.equal(slugOf('r15'), 'n');
  const { body } = await call('GET', '/metrics');
  assert.match(body, /^penstock_stand_ins_total\{model="m"\} 1/m);
  void call('POST', PATH, STREAM, { 'x-request-timeout-ms': '60000' }).catch(() => {});
  while (open.size < 12) await turn();
  const waiting = [...open.all()].filter(({ unsent }) => unsent !== null);
  assert.deepEqual([...new Set(waiting.map(({ slug }) => slug))], ['m'], 'who has time waits for its model');
  beat();
  assert.equal((await call('POST', PATH, STREAM, SOON)).statusCode, 429, 'while the other one has no worker');
});

test('in shadow nobody is refused, and it is counted', async () => {
  await using busy = await startBusy({ admission: 'shadow' });
  void busy.call('POST', PATH, STREAM, SOON).catch(() => {});
  while (busy.open.size < 11) await turn();
  assert.equal(await metric(busy, 'model="m",reason="too_late",mode="shadow"'), '1');
});

test('where it is off nobody is refused', async () => {
  await using busy = await startBusy({ admission: 'off' });
  void busy.call('POST', PATH, STREAM, SOON).catch(() => {});
  while (busy.open.size < 11) await turn();
});

test('while the workers of a model are away its requests are held', async () => {
  await using busy = await startBusy();
  busy.beat({ leaving: true });
  void busy.call('POST', PATH, STREAM, SOON).catch(() => {});
  while (busy.open.size < 11) await turn();
});
