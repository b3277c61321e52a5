/**
 * Nothing waits behind a worker that takes nothing. The affinity wait is long here, so that requests really queue up for
 * one worker: only the sweep can free them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { boundFilter, workStream } from '@penstock/protocol';
import { slowDown } from '../../testkit/engines/slow-down.ts';
import { chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const WAIT_MS = 25_000;
const BACKLOG = 6;

async function start(waitMs: number) {
  const engine = { profile: 'dense-8b-h100', timeScale: 4 };
  return startStack({
    engines: [engine, engine, engine, engine],
    ingressEnv: { PENSTOCK_AFFINITY: 'session', PENSTOCK_AFFINITY_WAIT_MS: String(waitMs) },
    // One request at a time: what is sent to a busy worker alone waits in the queue.
    workerEnv: { PENSTOCK_SLOTS: '1', PENSTOCK_DRAIN_MS: '15000' },
  });
}

async function ask(stack: Stack, session: string, content: string, tokens: number) {
  const startedAt = performance.now();
  const response = await post(stack, '/v1/chat/completions', chat(content, { max_tokens: tokens }), {
    headers: { 'x-session-affinity': session },
  });
  await response.text();
  const worker = response.headers.get('x-penstock-worker') ?? '';
  return { status: response.status, worker, ms: performance.now() - startedAt };
}

async function metric(stack: Stack, reason: string): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  const found = new RegExp(`penstock_moved_requests_total\\{reason="${reason}"\\} (\\d+)`).exec(text);
  return Number(found?.[1] ?? 0);
}

/** Messages queued for one worker alone. */
async function queuedFor(stack: Stack, worker: string): Promise<number> {
  const nc = await connect({ servers: stack.nats.url });
  const filter = boundFilter('local', 0, worker);
  try {
    const jsm = await jetstreamManager(nc);
    const { state } = await jsm.streams.info(workStream('local', 0), { subjects_filter: filter });
    return Object.keys(state.subjects ?? {}).length;
  } finally {
    await nc.close();
  }
}

/** A worker whose engine does not get on with a long request, and a backlog that only it may take. */
async function backlogOf(stack: Stack, session: string) {
  const { worker } = await ask(stack, session, 'where?', 1);
  const process = stack.workers[Number(worker.slice(2)) - 1];
  assert.ok(process);
  const running = ask(stack, session, 'at length', 1500);
  const engine = stack.engines[Number(worker.slice(2)) - 1];
  assert.ok(engine);
  await waitFor(() => engine.stats().running === 1);
  await slowDown(engine, 100);
  const waiting = Array.from({ length: BACKLOG }, (_, n) => ask(stack, session, `question ${n}`, 2));
  // The long one's message stays in the queue until it is answered.
  await waitFor(async () => (await queuedFor(stack, worker)) === BACKLOG + 1);
  const goOn = () => slowDown(engine, 1);
  return { worker, process, running, waiting, goOn };
}

const ENDS: [name: string, signal: NodeJS.Signals][] = [
  ['drained', 'SIGTERM'],
  ['paused', 'SIGSTOP'],
  ['killed', 'SIGKILL'],
];

test('what waits for a worker alone is offered to all when it takes nothing more', async t => {
  await using stack = await start(WAIT_MS);
  for (const [name, signal] of ENDS) {
    await t.test(`because it is ${name}`, async () => {
      const before = await metric(stack, 'swept');
      const { worker, process, running, waiting, goOn } = await backlogOf(stack, name);
      process.kill(signal);
      // All are answered while the long request stands still: none waited for the worker's end.
      const answers = await Promise.all(waiting);
      await goOn();
      assert.ok(answers.every(answer => answer.status === 200 && answer.worker !== worker));
      assert.ok(
        answers.every(answer => answer.ms < WAIT_MS),
        'nor for the end of their affinity wait',
      );
      assert.equal((await metric(stack, 'swept')) - before, BACKLOG);
      assert.equal((await running).status, 200);
      await waitFor(async () => (await queuedFor(stack, worker)) === 0);
    });
  }
});

test('idle workers take over what a busy worker does not take within the affinity wait', async () => {
  await using stack = await start(800);
  const { worker, running, waiting, goOn } = await backlogOf(stack, 'busy');
  const answers = await Promise.all(waiting);
  await goOn();
  assert.ok(answers.every(answer => answer.status === 200));
  assert.ok(answers.every(answer => answer.worker !== worker));
  assert.equal((await running).worker, worker);
});
