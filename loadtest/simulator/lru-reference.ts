/** What prefix caches could give if time did not matter: the yardstick for hit ratios. */
import { PrefixCache } from '../../services/engine-sim/batching/prefix-cache.ts';
import { BLOCK_TOKENS, type TraceRequest } from '../workloads/trace.ts';

/**
 * Share of prompt tokens found in one least-recently-used cache a worker, 0–1. Requests are taken one after the other; each
 * goes to the worker with the longest cached prefix, and where that is no more than the block every prompt begins with, to
 * the one that has computed least for its speed.
 * @param fleet one entry a worker: how many times slower than the others it is.
 */
export function lruReference(
  requests: readonly TraceRequest[],
  fleet: readonly number[],
  capacityTokens: number,
): number {
  const caches = fleet.map(() => new PrefixCache(capacityTokens));
  const worked = fleet.map(() => 0);
  let hits = 0;
  let tokens = 0;
  for (const { blocks, inputTokens } of requests) {
    const chain = { keys: blocks, tokensPerBlock: BLOCK_TOKENS };
    const matches = caches.map(cache => cache.peek(chain));
    const longest = Math.max(...matches);
    const eligible = (i: number) => longest <= BLOCK_TOKENS || matches[i] === longest;
    const chosen = fleet.reduce((best, _, i) => {
      if (!eligible(i)) return best;
      return best < 0 || (worked[i] ?? 0) < (worked[best] ?? 0) ? i : best;
    }, -1);
    const hit = Math.min(caches[chosen]?.match(chain) ?? 0, inputTokens - 1);
    caches[chosen]?.insert(chain);
    worked[chosen] = (worked[chosen] ?? 0) + (inputTokens - hit) * (fleet[chosen] ?? 1);
    hits += hit;
    tokens += inputTokens;
  }
  return hits / Math.max(1, tokens);
}
