/**
 * A nats-server that is killed forgets what it delivered last, and hands messages out again as if for the first time. Such a
 * delivery is never a second answer. Where each message is replaced by its copy while it is being answered, the broker knows
 * of no delivery of it: that is the same without chance.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { workStream } from '@penstock/protocol';
import { slowDown } from '../../testkit/engines/slow-down.ts';
import { ask, bodyOf, saidTo } from '../../testkit/responses.ts';
import { chat, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';
import { orderDrain } from '../../testkit/workers/order-drain.ts';

const STREAMS = 6;
const TOKENS = 120;
const KILLS = 3;
/** Streams and responses that are asked for before each kill. */
const AT_ONCE = { streams: 30, responses: 10 };
/** Many times what it takes on an idle machine. */
const LIMIT_MS = 90_000;
const LEASE = { PENSTOCK_ACK_WAIT_MS: '3000' };
const WORK = workStream('local', 0);

async function onBroker<T>(
  stack: Stack,
  act: (nc: Awaited<ReturnType<typeof connect>>) => Promise<T>,
): Promise<T> {
  const nc = await connect({ servers: stack.nats.url });
  try {
    return await act(nc);
  } finally {
    await nc.close();
  }
}

/** @returns how many messages are delivered anew. */
function forgetDeliveries(stack: Stack): Promise<number> {
  return onBroker(stack, async nc => {
    const jsm = await jetstreamManager(nc);
    const { state } = await jsm.streams.info(WORK, { subjects_filter: '>' });
    const subjects = Object.keys(state.subjects ?? {});
    for (const subject of subjects) {
      const message = await jsm.streams.getMessage(WORK, { last_by_subj: subject });
      if (message === null) continue;
      await jsm.streams.purge(WORK, { filter: subject });
      await jetstream(nc).publish(subject, message.data, { msgID: `${subject} again` });
    }
    return subjects.length;
  });
}

const queued = (stack: Stack) =>
  onBroker(stack, async nc => (await (await jetstreamManager(nc)).streams.info(WORK)).state.messages);

async function fencedFrames(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(/penstock_fenced_frames_total (\d+)/.exec(text)?.[1] ?? 0);
}

for (const taker of ['w-1', 'w-2'])
  test(`requests that w-1 runs and that are delivered to ${taker} as if for the first time are answered once`, async () => {
    const engine = { profile: 'dense-70b-h100x4' } as const;
    await using stack = await startStack({ engines: [engine, engine] });
    const [first] = stack.engines;
    assert.ok(first);
    await orderDrain(stack, { 'w-2': true });
    const contents = Array.from({ length: STREAMS }, (_, i) => `forgotten ${i}`);
    const streams = Promise.all(
      contents.map(content => readChat(stack, chat(content, { max_tokens: TOKENS }))),
    );
    await waitFor(() => first.stats().running === STREAMS);
    // Until all have been handed out again: what comes after the end of an answer is of no open request, and fences nothing.
    await slowDown(first, 100);
    if (taker === 'w-2') await orderDrain(stack, { 'w-1': true, 'w-2': false });
    assert.equal(await forgetDeliveries(stack), STREAMS, 'all are still being answered');
    if (taker === 'w-2') await waitFor(async () => (await fencedFrames(stack)) >= STREAMS);
    await slowDown(first, 1);
    for (const [i, read] of (await streams).entries()) {
      const content = contents[i] ?? '';
      const words = expectedTokens(promptHash({ messages: [{ role: 'user', content }] }), TOKENS);
      assert.deepEqual([read.error, read.done, read.ids.size], [null, true, 1], content);
      assert.deepEqual(read.tokens, words);
      assert.deepEqual(
        [read.headers.get('x-penstock-worker'), read.headers.get('x-penstock-attempt')],
        ['w-1', '1'],
      );
    }
    await waitFor(async () => (await queued(stack)) === 0);
  });

/** Asks again while the queue is away: nothing was accepted then. */
async function acceptedOf<T extends { readonly status: number }>(send: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await send();
    if (answer.status !== 503) return answer;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

async function checkStream(stack: Stack, content: string): Promise<void> {
  const read = await acceptedOf(() => readChat(stack, chat(content, { max_tokens: TOKENS })));
  assert.deepEqual([read.status, read.error, read.done, read.ids.size], [200, null, true, 1], content);
  assert.equal(read.tokens.join(''), saidTo(content, TOKENS));
}

async function checkResponse({ url }: Stack, input: string): Promise<void> {
  const json = { model: 'sim-chat', input, background: true, max_output_tokens: TOKENS };
  const { id } = await bodyOf(acceptedOf(() => ask(url, '/v1/responses', { json })));
  const look = () => bodyOf(ask(url, `/v1/responses/${id}`));
  await waitFor(async () => !/queued|in_progress/.test((await look()).status), LIMIT_MS);
  const { status, output } = await look();
  const said = [status, output[0]?.content?.[0]?.text];
  assert.deepEqual(said, ['incomplete', saidTo(input, TOKENS)], `${input}: its limit ends it`);
}

test('a nats-server that is killed while it delivers, again and again, mixes no answers and loses none', async t => {
  const engine = { profile: 'dense-8b-h100' } as const;
  await using stack = await startStack({ engines: [engine, engine], ingressEnv: LEASE, workerEnv: LEASE });
  const begun = () => stack.engines.reduce((sum, { stats }) => sum + stats().started, 0);
  const answers: Promise<void>[] = [];
  const many = (count: number, check: (stack: Stack, content: string) => Promise<void>, name: string) => {
    for (let i = 0; i < count; i++) answers.push(check(stack, `${name} ${i}`));
  };
  for (let kill = 0; kill < KILLS; kill++) {
    const before = begun();
    many(AT_ONCE.streams, checkStream, `stream ${kill}`);
    many(AT_ONCE.responses, checkResponse, `response ${kill}`);
    // The earlier, the more of what was just delivered is forgotten.
    await waitFor(() => begun() > before + 4);
    await stack.nats.restart();
  }
  const ends = await Promise.allSettled(answers);
  const failed = ends.flatMap(end => (end.status === 'rejected' ? [String(end.reason)] : []));
  t.diagnostic(`${await fencedFrames(stack)} frames were fenced`);
  assert.deepEqual(failed, []);
  await waitFor(async () => (await queued(stack)) === 0, LIMIT_MS);
});

test('whoever waits in a queue whose disk is lost is told to ask again, and is served then', async () => {
  await using stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  await orderDrain(stack, { 'w-1': true });
  const body = chat('of a lost disk', { max_tokens: 5 });
  const waiting = [readChat(stack, body), readChat(stack, body)];
  await waitFor(async () => (await queued(stack)) === 2);
  await stack.nats.loseDisk();
  for (const { status } of await Promise.all(waiting)) assert.equal(status, 503);
  await waitFor(async () => (await fetch(`${stack.url}/readyz`)).ok);
  await orderDrain(stack, { 'w-1': false });
  assert.ok((await readChat(stack, body)).done);
});
