/** Load by a number of clients: each asks again as soon as it has its answer, or when its turn on a schedule comes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

export interface Target {
  readonly url: string;
  readonly apiKey: string;
}

export interface LoadOptions {
  /** Default: chat completions. */
  readonly path?: string;
  readonly body: string;
  readonly concurrency: number;
  readonly requests: number;
  /**
   * Requests started a second, evenly; times then count from when a request was meant to start, so that a late client makes
   * them longer. Without it the clients ask as fast as they are answered.
   */
  readonly perSecond?: number;
  /** Sent beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Time to the first byte of the body, ms, sorted. */
  readonly firstByteMs: number[];
  /** Time to the last byte, ms, sorted. */
  readonly totalMs: number[];
}

const CHAT = '/v1/chat/completions';

export async function runLoad(target: Target, options: LoadOptions): Promise<LoadResult> {
  const pool = new Pool(target.url, { connections: options.concurrency, pipelining: 1 });
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${target.apiKey}`,
    ...options.headers,
  };
  const firstByteMs: number[] = [];
  const totalMs: number[] = [];
  let errors = 0;
  let begun = 0;
  const startedAt = performance.now();
  const turn = async (index: number) => {
    if (options.perSecond === undefined) return performance.now();
    const intended = startedAt + (1000 * index) / options.perSecond;
    const early = intended - performance.now();
    if (early > 0) await sleep(early);
    // Timers fire up to a millisecond early.
    return Math.min(intended, performance.now());
  };
  const client = async () => {
    while (begun < options.requests) {
      const timing = await once(pool, options.path ?? CHAT, headers, options.body, await turn(begun++));
      if (timing === null) errors++;
      else {
        firstByteMs.push(timing.first);
        totalMs.push(timing.total);
      }
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, client));
  const seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  const byValue = (a: number, b: number) => a - b;
  return {
    requests: options.requests,
    errors,
    seconds,
    firstByteMs: firstByteMs.sort(byValue),
    totalMs: totalMs.sort(byValue),
  };
}

function once(
  pool: Pool,
  path: string,
  headers: Record<string, string>,
  body: string,
  startedAt: number,
): Promise<{ first: number; total: number } | null> {
  let first = 0;
  let status = 0;
  return new Promise(resolve => {
    pool.dispatch(
      { path, method: 'POST', headers, body },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: () => {
          if (first === 0) first = performance.now() - startedAt;
        },
        onResponseEnd: () =>
          resolve(status === 200 || status === 202 ? { first, total: performance.now() - startedAt } : null),
        onResponseError: () => resolve(null),
      },
    );
  });
}

export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** @param values in any order. */
export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
