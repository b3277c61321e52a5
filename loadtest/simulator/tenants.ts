/** Workloads of several projects: conversations of each, that have no prompt in common. */
import { generateConversations } from '../workloads/generate.ts';
import { limitTrace, type TraceLimits, type TraceRequest } from '../workloads/trace.ts';

export interface Tenant {
  readonly owner: string;
  /** Multiple of the workload's own arrival rate. */
  readonly load: number;
}

/** What one generator gives at most is 12,000 requests: one that sends more is made of several. */
const MOST_LOAD = 3;
/** Apart: ids of the blocks of one generator's prompts are fewer. */
const BLOCKS_APART = 10_000_000;

/** In the order in which they arrive. */
export function tenantsTrace(
  tenants: readonly Tenant[],
  limits: TraceLimits,
  seconds: number,
): TraceRequest[] {
  let seed = 0;
  const all = tenants.flatMap(({ owner, load }) => {
    const sources = Math.ceil(load / MOST_LOAD);
    return Array.from({ length: sources }, () => part(owner, load / sources, limits, seconds, ++seed)).flat();
  });
  return all.sort((a, b) => a.atMs - b.atMs);
}

function part(
  owner: string,
  load: number,
  limits: TraceLimits,
  seconds: number,
  seed: number,
): TraceRequest[] {
  const maxSeconds = seconds * load;
  const own = limitTrace(generateConversations(seed, maxSeconds), { ...limits, load, maxSeconds });
  return own.map(request => ({
    ...request,
    owner,
    blocks: request.blocks.map(block => block + seed * BLOCKS_APART),
  }));
}
