/** Engines that are half broken lose their share of the work, and have it again when they are well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ENGINES = 3;
const EVERY_MS = 15;

/** Short requests at a steady pace until told to stop. */
function steadyLoad(stack: Stack) {
  let sent = 0;
  const statuses: Promise<number>[] = [];
  const timer = setInterval(() => {
    const body = chat(`question ${sent++} ${'word '.repeat(400)}`, { max_tokens: 4 });
    statuses.push(post(stack, '/v1/chat/completions', { ...body, stream: true }).then(statusOf));
  }, EVERY_MS);
  return async () => {
    clearInterval(timer);
    return Promise.all(statuses);
  };
}

async function statusOf(response: Response): Promise<number> {
  await response.text();
  return response.status;
}

/** Share of the requests begun within a while that the first engine got. */
async function shareOfFirst(stack: Stack, ms: number): Promise<number> {
  const started = () => stack.engines.map(engine => engine.stats().started);
  const before = started();
  await sleep(ms);
  const grown = started().map((count, i) => count - (before[i] ?? 0));
  return (
    (grown[0] ?? 0) /
    Math.max(
      1,
      grown.reduce((sum, count) => sum + count, 0),
    )
  );
}

async function tell(stack: Stack, path: string, body: object): Promise<void> {
  await fetch(`${stack.engines[0]?.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
}

const TROUBLES: [name: string, path: string, begin: object, end: object][] = [
  ['five times slower', '/sim/slowdown', { factor: 5 }, { factor: 1 }],
  ['failing a third of its requests', '/sim/faults', { errorShare: 0.34 }, { errorShare: 0 }],
  ['hanging', '/sim/faults', { hang: true }, { hang: false }],
];

test('an engine that is half broken loses its share of the work and regains it', async t => {
  const engines = Array.from({ length: ENGINES }, () => ({ profile: 'dense-8b-h100' }));
  await using stack = await startStack({ engines, workerEnv: { PENSTOCK_FIRST_TOKEN_TIMEOUT_MS: '2500' } });
  for (const [name, path, begin, end] of TROUBLES) {
    await t.test(`while it is ${name}`, async t => {
      const finish = steadyLoad(stack);
      const before = stack.engines.map(engine => engine.stats().started);
      await waitFor(() => stack.engines.every((engine, i) => engine.stats().started > (before[i] ?? 0) + 20));
      await tell(stack, path, begin);
      const begunAt = performance.now();
      await waitFor(async () => (await shareOfFirst(stack, 1000)) < 0.15);
      t.diagnostic(`lost after ${((performance.now() - begunAt) / 1000).toFixed(1)} s`);
      await tell(stack, path, end);
      await waitFor(async () => (await shareOfFirst(stack, 500)) > 0.2);
      const statuses = await finish();
      assert.deepEqual([...new Set(statuses)], [200], 'every request was answered');
    });
  }
});
