/** Engines that fail in every way, and workers that die: nothing is lost, nothing is silently cut short. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { deadStream, deadStreamSubjects } from '@penstock/protocol';
import { chat, errorOf, post, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

/** They fail in the middle of a stream. */
const BROKEN_AFTER_3 = [
  'sim-error-after-3',
  'sim-truncate-after-3',
  'sim-half-event-after-3',
  'sim-fail-after-3',
];

function expected(content: string, count: number): string[] {
  return expectedTokens(promptHash({ messages: [{ role: 'user', content }] }), count);
}

/** What was set aside for the operator, by model. */
async function deadLetters(stack: Stack) {
  const nc = await connect({ servers: stack.nats.url });
  try {
    const { state } = await (await jetstreamManager(nc)).streams.info(deadStream('local'), {
      subjects_filter: deadStreamSubjects('local'),
    });
    const models = new Set(Object.keys(state.subjects ?? {}).map(subject => subject.split('.')[2] ?? ''));
    return { kept: state.messages, models: [...models].sort() };
  } finally {
    await nc.close();
  }
}

async function openRequests(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(/penstock_open_requests (\d+)/.exec(text)?.[1] ?? -1);
}

test('an engine that fails is an error the client can read, never a short stream', async () => {
  await using stack = await startStack({
    engines: [{ listSentinels: true }],
    // Keep-alive comments would come with headers, and with them status 200, where the attempts take long.
    ingressEnv: { PENSTOCK_KEEPALIVE_MS: '120000' },
    workerEnv: { PENSTOCK_FIRST_TOKEN_TIMEOUT_MS: '1000' },
  });
  const refused = await post(stack, '/v1/chat/completions', chat('x', { model: 'sim-400' }));
  assert.equal(refused.status, 400);
  const cases = ['sim-fail', 'sim-garbage', 'sim-disconnect', 'sim-hang'].flatMap(model =>
    (model === 'sim-hang' ? [true] : [false, true]).map(stream => ({ model, stream })),
  );
  // All at once: after three failures in a row a worker sits out until its probes pass, and every request waits for that.
  await Promise.all(
    cases.map(async ({ model, stream }) => {
      const body = chat(`${model} ${stream}`, { model, stream });
      const response = await post(stack, '/v1/chat/completions', body);
      assert.equal(response.status, 502);
      assert.equal((await errorOf(response)).code, 'attempts_exhausted');
    }),
  );
  // Without a stream there is no first token to wait for, only an end.
  const hung = await post(stack, '/v1/chat/completions', chat('hung', { model: 'sim-hang' }), {
    headers: { 'x-request-timeout-ms': '300' },
  });
  assert.equal((await errorOf(hung)).code, 'deadline_exceeded');
  // A client hears of it first: whoever waits is not to wait for the operator's copy.
  await waitFor(async () => (await deadLetters(stack)).kept >= 7);
  assert.deepEqual(await deadLetters(stack), {
    kept: 7,
    models: ['sim-disconnect', 'sim-fail', 'sim-garbage', 'sim-hang'],
  });
  const once = await readChat(stack, chat('retry me', { model: 'sim-fail-once', max_tokens: 8 }));
  assert.deepEqual(once.tokens, expected('retry me', 8));
  assert.equal(once.headers.get('x-penstock-attempt'), '2');
  await Promise.all(
    BROKEN_AFTER_3.map(async model => {
      const read = await readChat(stack, chat(model, { model, max_tokens: 9 }));
      const whole = read.done && read.tokens.length === 9;
      assert.ok(
        whole || read.error !== null,
        `${model}: ${JSON.stringify(read.tokens)} and no word of error`,
      );
      assert.deepEqual(read.tokens, expected(model, read.tokens.length));
    }),
  );
  await waitFor(async () => (await openRequests(stack)) === 0);
});

test('a worker killed with work queued and running: all finish, every stream exact', async () => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-70b-h100x4' }, { profile: 'dense-70b-h100x4' }],
  });
  const streams = Array.from({ length: 50 }, (_, i) =>
    readChat(stack, chat(`kill ${i}`, { max_tokens: 40 })),
  );
  await waitFor(() => (stack.engines[0]?.stats().running ?? 0) > 3);
  stack.workers[0]?.kill('SIGKILL');
  for (const [i, read] of (await Promise.all(streams)).entries()) {
    assert.equal(read.error, null);
    assert.deepEqual(read.tokens, expected(`kill ${i}`, 40));
    assert.equal(read.ids.size, 1, 'one stream, one id');
    assert.ok(read.done);
  }
  assert.equal(await openRequests(stack), 0);
});

test('a worker killed and started again at once under its name: its streams go on, exact', async () => {
  await using stack = await startStack({ engines: [{ profile: 'dense-70b-h100x4' }] });
  const streams = Array.from({ length: 8 }, (_, i) =>
    readChat(stack, chat(`again ${i}`, { max_tokens: 40 })),
  );
  await waitFor(() => (stack.engines[0]?.stats().running ?? 0) > 3);
  stack.workers[0]?.kill('SIGKILL');
  stack.workers.push(await stack.startWorker(0, 'w-1'));
  // Within seconds: without a failover they would wait for their deadline, minutes.
  await waitFor(async () => (await openRequests(stack)) === 0, 20_000);
  for (const [i, read] of (await Promise.all(streams)).entries()) {
    assert.equal(read.error, null);
    assert.deepEqual(read.tokens, expected(`again ${i}`, 40));
  }
});

test('a worker paused past its lease wakes up as a zombie and mixes into no stream', async () => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-70b-h100x4' }, { profile: 'dense-70b-h100x4' }],
    ingressEnv: { PENSTOCK_ACK_WAIT_MS: '1500' },
    workerEnv: { PENSTOCK_ACK_WAIT_MS: '1500' },
  });
  const streams = Array.from({ length: 40 }, (_, i) =>
    readChat(stack, chat(`pause ${i}`, { max_tokens: 120 })),
  );
  await waitFor(() => (stack.engines[0]?.stats().running ?? 0) > 3);
  stack.workers[0]?.kill('SIGSTOP');
  const others = stack.engines[1];
  // Its share has moved when the other engine has started everything.
  await waitFor(() => (others?.stats().started ?? 0) + (stack.engines[0]?.stats().started ?? 0) > 40);
  stack.workers[0]?.kill('SIGCONT');
  for (const [i, read] of (await Promise.all(streams)).entries()) {
    assert.equal(read.error, null);
    assert.deepEqual(read.tokens, expected(`pause ${i}`, 120));
  }
});

test('SIGTERM lets a worker finish or hand over; nothing is lost', async () => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    workerEnv: { PENSTOCK_DRAIN_MS: '200' },
  });
  // Long enough to be caught in the middle, however slowly they arrive.
  const TOKENS = 250;
  const streams = Array.from({ length: 30 }, (_, i) =>
    readChat(stack, chat(`drain ${i}`, { max_tokens: TOKENS })),
  );
  await waitFor(() => (stack.engines[0]?.stats().running ?? 0) > 3);
  await stack.workers[0]?.stop();
  for (const [i, read] of (await Promise.all(streams)).entries()) {
    assert.deepEqual(read.tokens, expected(`drain ${i}`, TOKENS));
    assert.ok(read.done);
  }
});
