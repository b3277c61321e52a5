/** `Prefer: respond-async`: a job is accepted with 202; its answer is fetched when it is done. */
import { failureOf, header, ignoreEos, pause, type Reply, send } from './client.ts';
import { REGION, TIMEOUT_S } from './env.ts';
import * as metrics from './metrics.ts';
import type { Usage } from './stream.ts';
import { untilDelivered } from './webhooks.ts';

const POLL_MS = 1000;

export interface JobOrder {
  readonly model: string;
  readonly content: string;
  readonly maxTokens: number;
  /** Wait to be told by this webhook endpoint; null: ask now and then. */
  readonly endpoint: string | null;
}

/** Submits a chat completion as a job and waits for its end. @returns what went wrong, or null. */
export async function runJob({ model, content, maxTokens, endpoint }: JobOrder): Promise<string | null> {
  const tags: metrics.Tags = { model, lane: 'background', region: REGION, mode: 'job' };
  const startedAt = Date.now();
  const untilMs = startedAt + TIMEOUT_S * 1000;
  const body = { model, messages: [{ role: 'user', content }], max_tokens: maxTokens, ...ignoreEos() };
  metrics.requests.add(1, { ...tags });
  const accepted = await send('POST', '/v1/chat/completions', JSON.stringify(body), 'submit', {
    headers: { prefer: 'respond-async' },
    tags: { ...tags },
  });
  const refused = failureOf(accepted, [202]);
  if (refused !== null) return lost(refused, tags);
  const location = header(accepted, 'Location');
  if (location === null) return lost('no location', tags);
  metrics.accept.add(accepted.timings.duration, { ...tags });
  if (endpoint !== null) {
    const untold = await untilDelivered(endpoint, location.slice(location.lastIndexOf('/') + 1), untilMs);
    if (untold !== null) return lost(untold, tags);
    metrics.webhook.add(Date.now() - startedAt, { ...tags });
  }
  const usage = await pollUntilDone(location, endpoint === null ? accepted : null, untilMs, tags);
  if (typeof usage === 'string') return lost(usage, tags);
  metrics.e2e.add(Date.now() - startedAt, { ...tags });
  metrics.outputTokens.add(usage.completion_tokens, { ...tags });
  metrics.promptTokens.add(usage.prompt_tokens, { ...tags });
  metrics.sloGood.add(true, { ...tags });
  return null;
}

/** @param first says when to ask again; null: ask at once. @returns the usage of the answer, or what went wrong. */
async function pollUntilDone(
  location: string,
  first: Reply | null,
  untilMs: number,
  tags: metrics.Tags,
): Promise<Usage | string> {
  let reply = first;
  while (Date.now() < untilMs) {
    if (reply !== null) await pause(Number(header(reply, 'Openai-Poll-After-Ms') ?? POLL_MS));
    reply = await send('GET', location, null, 'poll', { tags: { ...tags } });
    const failed = failureOf(reply, [200, 202]);
    if (failed !== null) return failed;
    if (reply.status === 200) return usageIn(reply.body ?? '') ?? 'no usage';
  }
  return 'timeout';
}

function usageIn(body: string): Usage | null {
  try {
    return (JSON.parse(body) as { usage?: Usage }).usage ?? null;
  } catch {
    return null;
  }
}

function lost(kind: string, tags: metrics.Tags): string {
  metrics.fail(kind, tags);
  return kind;
}
