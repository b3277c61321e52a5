/** How long after its end a job's webhook arrives at a healthy receiver. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisRunStore } from '@penstock/transport';
import { startReceiver } from '../../testkit/receiver.ts';
import { chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';
import { quantile } from './measure/load.ts';

export interface WebhookFigures {
  readonly steady: LatencyFigures;
  /** All accepted at once. */
  readonly burst: LatencyFigures;
}

export interface LatencyFigures {
  readonly jobs: number;
  /** Jobs a second; null for all at once. */
  readonly perSecond: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Jobs of which nothing came within the limit. */
  readonly lost: number;
}

const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
const LIMIT_MS = 30_000;
const WARM_UP = 100;

export async function measureWebhooks(): Promise<WebhookFigures> {
  await using receiver = await startReceiver();
  await using stack = await startStack({
    engines: [{ profile: 'instant' }, { profile: 'instant' }],
    ingressEnv: ALLOW,
    tasksEnv: ALLOW,
  });
  const url = `${receiver.url}/bench`;
  await post(stack, '/v1/webhook_endpoints', { url, name: 'bench', event_types: ['job.completed'] });
  const runs = await RedisRunStore.connect({ url: stack.redis.url, name: 'bench' });
  /** When each job's first webhook came, Unix ms. */
  const arrivals = () => new Map(receiver.received.toReversed().map(each => [each.event.data.id, each.at]));
  const measure = async (jobs: number, perSecond: number | null): Promise<LatencyFigures> => {
    const ids = await submit(stack, jobs, perSecond);
    await waitFor(() => hasAll(arrivals(), ids), LIMIT_MS).catch(() => {});
    const at = arrivals();
    const late: number[] = [];
    for (const id of ids) {
      const [arrivedAt, finishedAt] = [at.get(id), (await runs.read(id))?.result?.finishedAt];
      if (arrivedAt !== undefined && finishedAt !== undefined) late.push(arrivedAt - finishedAt);
    }
    late.sort((a, b) => a - b);
    const [p50Ms, p99Ms] = [quantile(late, 0.5), quantile(late, 0.99)];
    return { jobs, perSecond, p50Ms, p99Ms, lost: jobs - late.length };
  };
  await measure(WARM_UP, null);
  const figures = { steady: await measure(500, 50), burst: await measure(500, null) };
  await runs.close();
  return figures;
}

function hasAll(arrivals: ReadonlyMap<string, number>, ids: readonly string[]): boolean {
  return ids.every(id => arrivals.has(id));
}

/** Open loop: the next job does not wait for the last one. */
async function submit(stack: Stack, jobs: number, perSecond: number | null): Promise<string[]> {
  const from = performance.now();
  const accepted: Promise<string>[] = [];
  for (let i = 0; i < jobs; i++) {
    const dueMs = perSecond === null ? 0 : (i * 1000) / perSecond;
    const waitMs = from + dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    accepted.push(submitOne(stack, i));
  }
  return Promise.all(accepted);
}

async function submitOne(stack: Stack, i: number): Promise<string> {
  const headers = { prefer: 'respond-async' };
  const answer = await post(stack, '/v1/chat/completions', chat(`job ${i}`, { max_tokens: 2 }), { headers });
  await answer.arrayBuffer();
  // One that is done already is answered at once.
  return answer.headers.get('x-penstock-job') ?? '';
}
