/** What real processes decided is replayed in the simulator: the same caches, about the same times, the same preferences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispatcherFactory } from '../../loadtest/simulator/dispatchers/dispatcher.ts';
import { roundRobin } from '../../loadtest/simulator/dispatchers/routers.ts';
import { penstock } from '../../loadtest/simulator/penstock/penstock.ts';
import { simulate } from '../../loadtest/simulator/simulate.ts';
import { conversationTrace } from '../../loadtest/traces/mooncake.ts';
import { promptOf } from '../../loadtest/traces/prompt.ts';
import { BLOCK_TOKENS } from '../../loadtest/traces/trace.ts';
import { chat, post, type Stack, startStack } from '../../testkit/stack.ts';

const SPEED = 12;
/** Prompts that take their engines far longer than all the rest takes the machine, or it is the machine that is compared. */
const PROFILE = 'dense-70b-h100x4';
const FLEET = [1, 1, 1, 2];

async function firstToken(stack: Stack, body: Record<string, unknown>) {
  const response = await post(stack, '/v1/chat/completions', {
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  assert.equal(response.status, 200);
  let at = 0;
  let last = '';
  for await (const bytes of response.body ?? []) {
    last = (last + Buffer.from(bytes).toString('latin1')).slice(-4096);
    if (at === 0 && /"content":"[^"]/.test(last)) at = performance.now();
  }
  const cachedTokens = Number(/"cached_tokens":(\d+)/.exec(last)?.[1]);
  assert.ok(at > 0 && cachedTokens >= 0);
  return { at, worker: Number(response.headers.get('x-penstock-worker')?.slice(2)) - 1, cachedTokens };
}

/** Requests whose cached tokens differ by a block or more. */
function differing(one: ArrayLike<number>, other: ArrayLike<number>): number {
  return Array.from(one).filter((tokens, i) => Math.abs(tokens - (other[i] ?? 0)) >= BLOCK_TOKENS).length;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function shareOf(engine: number, choices: ArrayLike<number>): number {
  return Array.from(choices).filter(worker => worker === engine).length / choices.length;
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
  const cachedReal: number[] = [];
  const workers = await Promise.all(
    requests.map(async (request, i) => {
      const content = promptOf(request, i);
      const waitMs = request.atMs / SPEED - (performance.now() - startedAt);
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
      const read = await firstToken(stack, chat(content, { max_tokens: request.outputTokens }));
      ttftMs[i] = (read.at - startedAt) * SPEED - request.atMs;
      cachedReal[i] = read.cachedTokens;
      return read.worker;
    }),
  );
  const same: DispatcherFactory = fleet => ({
    arrive: (request, index) => void fleet.send(request, index, workers[index] ?? 0),
  });
  const fleet = { requests, profile: PROFILE, fleet: FLEET };
  const replayed = simulate({ ...fleet, policy: same });
  const replayedOtherwise = differing(cachedReal, replayed.cachedTokens);
  t.diagnostic(`requests with other cached tokens when replayed: ${replayedOtherwise}`);
  assert.ok(replayedOtherwise <= 1);
  const [realMs, simMs] = [median(ttftMs), median([...replayed.ttftMs])];
  t.diagnostic(
    `median time to the first token: ${realMs.toFixed(0)} ms really, ${simMs.toFixed(0)} replayed`,
  );
  // The networks take no time in the simulator, and a real millisecond is twelve of the engines'.
  assert.ok(realMs > 0.8 * simMs && realMs < 1.5 * simMs + 40 * SPEED);
  // The same requests decided otherwise do not pass for the run.
  const dealt = differing(cachedReal, simulate({ ...fleet, policy: roundRobin }).cachedTokens);
  t.diagnostic(`requests with other cached tokens when dealt in turn: ${dealt}`);
  assert.ok(dealt >= 3);
  const own = simulate({ ...fleet, policy: penstock() });
  for (const engine of FLEET.keys()) {
    // Which of several equal engines gets more is chance: each is expected to get the same.
    const equals = [...FLEET.keys()].filter(other => FLEET[other] === FLEET[engine]);
    const simulated = equals.reduce((sum, other) => sum + shareOf(other, own.worker), 0) / equals.length;
    const real = shareOf(engine, workers);
    t.diagnostic(`share of engine ${engine}: ${real.toFixed(2)} really, ${simulated.toFixed(2)} simulated`);
    assert.ok(Math.abs(real - simulated) < 0.15);
  }
});
