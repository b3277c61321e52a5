/**
 * A real run, recorded: what real processes decided and what their engines did. The parity test replays it decision by decision; here
 * its preferences are set beside those of the simulator, which hang on how busy the machine is.
 */
import assert from 'node:assert/strict';
import { promptHash } from '@penstock/engine-sim';
import type { PlacementEvent } from '@penstock/policy';
import { chat, post, type Stack, startStack } from '../../testkit/stack.ts';
import { penstock } from '../simulator/penstock/penstock.ts';
import type { RecordedBidding } from '../simulator/penstock/replay.ts';
import { simulate } from '../simulator/simulate.ts';
import { conversationTrace } from '../workloads/mooncake.ts';
import { promptOf } from '../workloads/prompt.ts';
import { BLOCK_TOKENS, type TraceRequest } from '../workloads/trace.ts';
import { median } from './measure/load.ts';

/** In the benchmark, so that the machine's own delays are small beside the engines' times. */
const BENCH_SPEED = 3;
/** Prompts that take their engines far longer than all the rest takes the machine, or it is the machine that is compared. */
export const PROFILE = 'dense-70b-h100x4';
/** How many times slower than the profile each engine is. */
export const FLEET = [1, 1, 1, 2];

/** An attempt at a request as an engine had it: one, unless its worker was silent for too long. Times are those of the engine's own timeline, which a slow machine does not stretch. */
export interface Served {
  readonly index: number;
  readonly worker: number;
  readonly cachedTokens: number;
  readonly submittedAt: number;
  readonly firstTokenAt: number;
}

export interface RealRun {
  /** As they were really sent: a machine with other work sends them late, and in bunches. */
  readonly requests: readonly TraceRequest[];
  /** In the order in which the engines got them. */
  readonly served: readonly Served[];
  /** By request: what the client was told. */
  readonly told: readonly { readonly worker: number; readonly cachedTokens: number }[];
  /** By worker. */
  readonly bidding: readonly RecordedBidding[][];
  readonly placements: readonly PlacementEvent[];
}

async function ask(stack: Stack, body: Record<string, unknown>) {
  const response = await post(stack, '/v1/chat/completions', {
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  assert.equal(response.status, 200);
  const text = await response.text();
  assert.match(text, /"content":"[^"]/);
  const cachedTokens = Number(/"cached_tokens":(\d+)/.exec(text)?.[1]);
  assert.ok(cachedTokens >= 0);
  return { worker: Number(response.headers.get('x-penstock-worker')?.slice(2)) - 1, cachedTokens };
}

/** Requests of a trace on real processes, with all that they decided. @param speed simulated seconds in a real one. */
export async function runReally(speed: number): Promise<RealRun> {
  const { requests } = conversationTrace({ maxRequests: 200, maxInputTokens: 8192, maxOutputTokens: 48 });
  const bidding = FLEET.map((): RecordedBidding[] => []);
  const placements: PlacementEvent[] = [];
  await using stack = await startStack({
    engines: FLEET.map(slowdown => ({
      profile: PROFILE,
      slowdown,
      timeScale: speed,
      // Nobody suspends them here: what a busy machine delays is caught up, however long.
      maxCatchUpMs: Number.POSITIVE_INFINITY,
      blockTokens: BLOCK_TOKENS,
    })),
    ingressEnv: { PENSTOCK_LOG_LEVEL: 'debug' },
    workerEnv: { PENSTOCK_LOG_LEVEL: 'debug' },
    onLine: (line, worker) => {
      if (!line.includes('"event":')) return;
      const { msg, event } = JSON.parse(line);
      if (msg === 'placement') placements.push(event);
      else if (msg === 'bidding') bidding[worker]?.push(event);
    },
  });
  const startedAt = performance.now();
  const bodies = requests.map((request, i) =>
    chat(`${promptOf(request, i)} ${i}`, { max_tokens: request.outputTokens }),
  );
  const sentAt: number[] = [];
  const told = await Promise.all(
    requests.map(async (request, i) => {
      const waitMs = request.atMs / speed - (performance.now() - startedAt);
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
      sentAt[i] = performance.now();
      return ask(stack, bodies[i] ?? {});
    }),
  );
  const indexes = new Map(bodies.map((body, i) => [promptHash(body), i]));
  assert.equal(indexes.size, requests.length, 'prompts tell requests apart');
  const served = stack.engines.flatMap((engine, worker) =>
    engine.stats().startedIds.flatMap(({ promptHash, timeline }): Served[] => {
      const index = indexes.get(promptHash);
      assert.ok(index !== undefined);
      // An attempt that was dropped before its first token left nothing in the cache.
      return timeline === null ? [] : [{ index, worker, ...timeline }];
    }),
  );
  served.sort((a, b) => a.submittedAt - b.submittedAt);
  const first = Math.min(...sentAt);
  const sent = requests.map((request, i) => ({ ...request, atMs: ((sentAt[i] ?? 0) - first) * speed }));
  return { requests: sent, served, told, bidding, placements };
}

export interface ParityFigures {
  readonly requests: number;
  /** By kind of engine: how much slower than the profile, and its share of the requests. */
  readonly shares: readonly { slowdown: number; really: number; simulated: number }[];
  /** Median time to the first token on the engines' timeline, simulated ms. */
  readonly ttftMs: { readonly really: number; readonly simulated: number };
}

/** The simulator, left to decide about the same requests. */
export async function measureParity(): Promise<ParityFigures> {
  const { requests: sent, told, served } = await runReally(BENCH_SPEED);
  const requests = sent.toSorted((a, b) => a.atMs - b.atMs);
  const own = simulate({ profile: PROFILE, fleet: FLEET, requests, policy: penstock() });
  const workers = told.map(({ worker }) => worker);
  // Which of several equal engines gets more is chance, here and there: what each kind of engine gets is not.
  const shares = [...new Set(FLEET)].map(slowdown => {
    const shareOf = (choices: ArrayLike<number>) =>
      Array.from(choices).filter(worker => FLEET[worker] === slowdown).length / choices.length;
    return { slowdown, really: shareOf(workers), simulated: shareOf(own.worker) };
  });
  const really = median(
    served.map(({ submittedAt, firstTokenAt }) => (firstTokenAt - submittedAt) * BENCH_SPEED),
  );
  return { requests: requests.length, shares, ttftMs: { really, simulated: median([...own.ttftMs]) } };
}
