/** How many readers a second one ingress serves from the stored log of background responses. */
import { Pool } from 'undici';
import { API_KEY, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';
import { cpuSeconds } from './measure/cpu.ts';
import { quantile } from './measure/load.ts';

export interface ResumeFigures {
  readonly responses: number;
  readonly tokens: number;
  readonly readers: number;
  readonly resumes: number;
  readonly errors: number;
  readonly perSecond: number;
  /** Until the last event is there, ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time per resume, µs. */
  readonly ingressUs: number;
  readonly redisUs: number;
}

const RESPONSES = 200;
const TOKENS = 64;
const READERS = 32;
const WARM_UP = 1000;
const RESUMES = 6000;

/** Every reader begins at another event of another response, and reads to the end. */
export async function measureResumes(): Promise<ResumeFigures> {
  await using stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  const ids = await Promise.all(Array.from({ length: RESPONSES }, (_, i) => respond(stack, i)));
  const pool = new Pool(stack.url, { connections: READERS, pipelining: 1 });
  await read(pool, ids, WARM_UP);
  const before = { ingress: cpuSeconds(stack.ingress.pid), redis: cpuSeconds(stack.redis.pid) };
  const startedAt = performance.now();
  const times = await read(pool, ids, RESUMES);
  const seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  const each = (now: number, then: number) => ((now - then) * 1e6) / RESUMES;
  return {
    ...{ responses: RESPONSES, tokens: TOKENS, readers: READERS, resumes: RESUMES },
    errors: RESUMES - times.length,
    perSecond: RESUMES / seconds,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    ingressUs: each(cpuSeconds(stack.ingress.pid), before.ingress),
    redisUs: each(cpuSeconds(stack.redis.pid), before.redis),
  };
}

async function respond(stack: Stack, i: number): Promise<string> {
  const body = { model: 'sim-chat', input: `Resume ${i}`, background: true, max_output_tokens: TOKENS };
  const { id } = (await (await post(stack, '/v1/responses', body)).json()) as { id: string };
  await waitFor(async () => {
    const answer = await fetch(`${stack.url}/v1/responses/${id}`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    return ((await answer.json()) as { status: string }).status === 'incomplete';
  }, 120_000);
  return id;
}

/** @returns times of those that ended as they should, ms, sorted. */
async function read(pool: Pool, ids: readonly string[], count: number): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const reader = async () => {
    while (next < count) {
      const i = next++;
      const startedAt = performance.now();
      const path = `/v1/responses/${ids[i % ids.length]}?stream=true&starting_after=${i % 8}`;
      const headers = { authorization: `Bearer ${API_KEY}` };
      const { statusCode, body } = await pool.request({ path, method: 'GET', headers });
      const text = await body.text();
      const isWhole = text.includes(`"sequence_number":${(i % 8) + 1},`) && text.endsWith('data: [DONE]\n\n');
      if (statusCode === 200 && isWhole) times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return times.sort((a, b) => a - b);
}
