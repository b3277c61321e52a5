/** Workloads to replay: when requests arrive, how long they are, and which prompts share a prefix. */

/** Tokens of one prefix block. */
export const BLOCK_TOKENS = 512;

export interface TraceRequest {
  /** Intended start, ms from the start of the trace. */
  readonly atMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Ids of the prompt's leading blocks of {@link BLOCK_TOKENS}: equal ids at equal places mean an equal prefix. */
  readonly blocks: readonly number[];
  /** Whose it is, where that makes a difference. */
  readonly owner?: string;
}

export interface Trace {
  /** Where it came from: a public trace by name, or `generated` where its file is missing. */
  readonly source: string;
  readonly requests: readonly TraceRequest[];
}

export interface TraceLimits {
  /** Multiplies the arrival rate. Default 1. */
  readonly load?: number;
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
  readonly maxRequests?: number;
  /** Of the trace's own time, before `load` is applied. */
  readonly maxSeconds?: number;
}

/** A trace file that is missing or malformed. The message names the file, the line and the remedy. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** @throws TraceError if there is no request in the wanted time. */
export function assertSome(requests: readonly TraceRequest[], seconds: number): void {
  if (requests.length === 0)
    throw new TraceError(`the workload has no requests in its first ${seconds} s; raise --seconds`);
}

/** Shortens a trace, and compresses its time by the load factor. */
export function limitTrace(requests: readonly TraceRequest[], limits: TraceLimits): TraceRequest[] {
  const {
    load = 1,
    maxInputTokens = Number.POSITIVE_INFINITY,
    maxOutputTokens = Number.POSITIVE_INFINITY,
    maxRequests = Number.POSITIVE_INFINITY,
    maxSeconds = Number.POSITIVE_INFINITY,
  } = limits;
  if (!(load > 0)) throw new TraceError('the load factor must be above 0');
  const within = requests.filter(request => request.atMs < maxSeconds * 1000).slice(0, maxRequests);
  return within.map(request => {
    const inputTokens = Math.min(request.inputTokens, maxInputTokens);
    return {
      atMs: request.atMs / load,
      inputTokens,
      outputTokens: Math.max(1, Math.min(request.outputTokens, maxOutputTokens)),
      blocks: request.blocks.slice(0, Math.floor(inputTokens / BLOCK_TOKENS)),
      ...(request.owner === undefined ? {} : { owner: request.owner }),
    };
  });
}

/** Deterministic random numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
