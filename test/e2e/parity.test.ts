/** What real processes decided is replayed in the simulator: the same caches, about the same times, the same preferences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatcherFactory } from '../../loadtest/sim/dispatcher.ts';
import { penstock } from '../../loadtest/sim/pull.ts';
import { simulate } from '../../loadtest/sim/simulate.ts';
import { conversationTrace } from '../../loadtest/traces/mooncake.ts';
import { promptOf } from '../../loadtest/traces/prompt.ts';
import { BLOCK_TOKENS } from '../../loadtest/traces/trace.ts';
import { chat, readChat, startStack } from '../support/stack.ts';

const SPEED = 12;
const PROFILE = 'dense-8b-h100';
const FLEET = [1, 1, 2];

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
  const workers = await Promise.all(
    requests.map(async (request, i) => {
      const content = promptOf(request, i);
      const waitMs = request.atMs / SPEED - (performance.now() - startedAt);
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
      const read = await readChat(stack, chat(content, { max_tokens: request.outputTokens }));
      assert.equal(read.status, 200);
      return Number(read.headers.get('x-penstock-worker')?.slice(2)) - 1;
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
  const own = simulate({ ...fleet, policy: penstock() });
  const shareOfSlow = (choices: Iterable<number>) =>
    [...choices].filter(worker => worker === 2).length / workers.length;
  const [real, simulated] = [shareOfSlow(workers), shareOfSlow(own.worker)];
  t.diagnostic(`share of the slow engine: ${real.toFixed(2)} really, ${simulated.toFixed(2)} simulated`);
  assert.ok(Math.abs(real - simulated) < 0.15);
});
