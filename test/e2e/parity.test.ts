/** What real processes decided is replayed in the simulator: the same caches, about the same times, the same preferences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatcherFactory } from '../../loadtest/sim/dispatcher.ts';
import { penstock } from '../../loadtest/sim/pull.ts';
import { roundRobin } from '../../loadtest/sim/push.ts';
import { simulate } from '../../loadtest/sim/simulate.ts';
import { conversationTrace } from '../../loadtest/traces/mooncake.ts';
import { promptOf } from '../../loadtest/traces/prompt.ts';
import { BLOCK_TOKENS } from '../../loadtest/traces/trace.ts';
import { chat, post, type Stack, startStack } from '../support/stack.ts';

const SPEED = 12;
const PROFILE = 'dense-8b-h100';
const FLEET = [1, 1, 2];

async function firstToken(stack: Stack, body: Record<string, unknown>) {
  const response = await post(stack, '/v1/chat/completions', { ...body, stream: true });
  assert.equal(response.status, 200);
  let at = 0;
  for await (const bytes of response.body ?? [])
    if (at === 0 && /"content":"[^"]/.test(Buffer.from(bytes).toString('latin1'))) at = performance.now();
  assert.ok(at > 0);
  return { at, worker: Number(response.headers.get('x-penstock-worker')?.slice(2)) - 1 };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

test('the simulator repeats a real run', async t => {
  const { requests } = conversationTrace({ maxRequests: 200, maxInputTokens: 8192, maxOutputTokens: 48 });
  await using stack = await startStack({
    engines: FLEET.map(slowdown => ({
      profile: PROFILE,
      slowdown,
      timeScale: SPEED,
      blockTokens: BLOCK_TOKENS,
    })),
  });
  const startedAt = performance.now();
  const ttftMs: number[] = [];
  const workers = await Promise.all(
    requests.map(async (request, i) => {
      const content = promptOf(request, i);
      const waitMs = request.atMs / SPEED - (performance.now() - startedAt);
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
      const read = await firstToken(stack, chat(content, { max_tokens: request.outputTokens }));
      ttftMs[i] = (read.at - startedAt) * SPEED - request.atMs;
      return read.worker;
    }),
  );
  const cachedReal = stack.engines.reduce((sum, engine) => sum + engine.stats().cachedTokens, 0);
  const same: DispatcherFactory = fleet => ({
    arrive: (request, index) => void fleet.send(request, index, workers[index] ?? 0),
  });
  const fleet = { requests, profile: PROFILE, fleet: FLEET };
  const replayed = simulate({ ...fleet, policy: same });
  const cachedSim = replayed.cachedTokens.reduce((sum, tokens) => sum + tokens, 0);
  t.diagnostic(`cached tokens: ${cachedReal} really, ${cachedSim} replayed`);
  assert.ok(Math.abs(cachedSim - cachedReal) <= 0.1 * cachedReal + 10 * BLOCK_TOKENS);
  const [realMs, simMs] = [median(ttftMs), median([...replayed.ttftMs])];
  t.diagnostic(
    `median time to the first token: ${realMs.toFixed(0)} ms really, ${simMs.toFixed(0)} replayed`,
  );
  // The networks take no time in the simulator, and a real millisecond is twelve of the engines'.
  assert.ok(realMs > 0.8 * simMs && realMs < 1.5 * simMs + 40 * SPEED);
  // The same requests decided otherwise do not pass for the run.
  const otherwise = simulate({ ...fleet, policy: roundRobin });
  const cachedOtherwise = otherwise.cachedTokens.reduce((sum, tokens) => sum + tokens, 0);
  t.diagnostic(`cached tokens when dealt in turn: ${cachedOtherwise}`);
  assert.ok(Math.abs(cachedOtherwise - cachedReal) > 0.1 * cachedReal + 10 * BLOCK_TOKENS);
  const own = simulate({ ...fleet, policy: penstock() });
  const shareOfSlow = (choices: Iterable<number>) =>
    [...choices].filter(worker => worker === 2).length / workers.length;
  const [real, simulated] = [shareOfSlow(workers), shareOfSlow(own.worker)];
  t.diagnostic(`share of the slow engine: ${real.toFixed(2)} really, ${simulated.toFixed(2)} simulated`);
  assert.ok(Math.abs(real - simulated) < 0.15);
});
