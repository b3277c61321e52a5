/** Open-loop replay: every request starts when the trace says, whatever became of the others. */
import { Pool } from 'undici';
import { promptOf } from '../workloads/prompt.ts';
import type { Outcome } from '../workloads/summary.ts';
import type { TraceRequest } from '../workloads/trace.ts';

export interface ReplayTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Replay {
  readonly outcomes: readonly Outcome[];
  /** How late requests were started by this machine, the 99th of 100, real ms. */
  readonly lateP99Ms: number;
}

const PATH = '/v1/chat/completions';
const CONNECTIONS = 2048;
/** Enough for the last events of a stream, characters. */
const TAIL = 2000;
/** The first delta may only name the role; content that is not empty is a token. */
const CONTENT = /"content":"[^"]/;

/** How many, and how long: enough for every process on the way to have been compiled, short beside a cache. */
const WARM_UP = { requests: 160, atOnce: 16, inputTokens: 2000, outputTokens: 8 } as const;

/** Requests whose figures are not kept, so that the first minutes do not measure compilers. */
export async function warmUp(target: ReplayTarget, model: string): Promise<void> {
  const pool = new Pool(target.url, { connections: WARM_UP.atOnce, pipelining: 1 });
  let next = 0;
  const client = async () => {
    while (next < WARM_UP.requests) {
      const request = { ...WARM_UP, atMs: 0, blocks: [] };
      await ask(pool, target.headers, bodyOf(request, -1 - next++, model));
    }
  };
  await Promise.all(Array.from({ length: WARM_UP.atOnce }, client));
  await pool.close();
}

/** @param speed simulated seconds per real second; outcomes are in simulated seconds. */
export async function replay(
  target: ReplayTarget,
  model: string,
  requests: readonly TraceRequest[],
  speed: number,
): Promise<Replay> {
  const pool = new Pool(target.url, {
    connections: CONNECTIONS,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const bodies = requests.map((request, i) => bodyOf(request, i, model));
  const startedAt = performance.now();
  const late: number[] = [];
  const outcomes = await Promise.all(
    requests.map(async (request, i) => {
      const intended = startedAt + request.atMs / speed;
      await until(intended);
      late.push(performance.now() - intended);
      const timed = await ask(pool, target.headers, bodies[i] ?? '');
      return outcomeOf(timed, intended, request, speed);
    }),
  );
  await pool.close();
  late.sort((a, b) => a - b);
  return { outcomes, lateP99Ms: late[Math.floor(late.length * 0.99)] ?? 0 };
}

function bodyOf(request: TraceRequest, index: number, model: string): string {
  return JSON.stringify({
    model,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: request.outputTokens,
    messages: [{ role: 'user', content: promptOf(request, index) }],
  });
}

async function until(at: number): Promise<void> {
  const ms = at - performance.now();
  if (ms > 0) await new Promise(resolve => setTimeout(resolve, ms));
}

interface Timed {
  readonly firstAt: number;
  readonly lastAt: number;
  readonly tail: string;
  readonly ok: boolean;
}

function ask(pool: Pool, headers: ReplayTarget['headers'], body: string): Promise<Timed> {
  return new Promise(resolve => {
    let firstAt = Number.NaN;
    let lastAt = Number.NaN;
    let status = 0;
    let tail = '';
    const end = (ok: boolean) => resolve({ firstAt, lastAt, tail, ok });
    pool.dispatch(
      { path: PATH, method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: (_controller, chunk) => {
          const text = chunk.toString('latin1');
          if (Number.isNaN(firstAt) && CONTENT.test(text)) firstAt = performance.now();
          lastAt = performance.now();
          tail = (tail + text).slice(-TAIL);
        },
        onResponseEnd: () => end(status === 200 && tail.includes('data: [DONE]')),
        onResponseError: () => end(false),
      },
    );
  });
}

function outcomeOf(timed: Timed, intended: number, request: TraceRequest, speed: number): Outcome {
  const { firstAt, lastAt, tail, ok } = timed;
  const seconds = (ms: number) => (ms * speed) / 1000;
  return {
    ttftS: ok ? seconds(firstAt - intended) : Number.NaN,
    tpotS: request.outputTokens > 1 ? seconds(lastAt - firstAt) / (request.outputTokens - 1) : 0,
    cachedTokens: Number(/"cached_tokens":(\d+)/.exec(tail)?.[1] ?? 0),
    worker: '',
  };
}
