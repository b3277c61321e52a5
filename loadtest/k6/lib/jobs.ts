/** `Prefer: respond-async`: a job is accepted with 202 and asked for until it is done. */
import { failureOf, header, ignoreEos, pause, type Reply, send } from './client.ts';
import { REGION, TIMEOUT_S } from './env.ts';
import * as metrics from './metrics.ts';
import type { Usage } from './stream.ts';

const POLL_MS = 1000;

/** Submits a chat completion as a job and waits for its end. @returns what went wrong, or null. */
export async function runJob(model: string, content: string, maxTokens: number): Promise<string | null> {
  const tags: metrics.Tags = { model, lane: 'background', region: REGION, mode: 'job' };
  const startedAt = Date.now();
  const body = { model, messages: [{ role: 'user', content }], max_tokens: maxTokens, ...ignoreEos() };
  const accepted = await send('POST', '/v1/chat/completions', JSON.stringify(body), 'submit', {
    headers: { prefer: 'respond-async' },
    tags: { ...tags },
  });
  const location = header(accepted, 'Location');
  const refused = failureOf(accepted, [202]) ?? (location === null ? 'no location' : null);
  if (refused !== null || location === null) return lost(refused ?? 'no location', tags);
  metrics.accept.add(accepted.timings.duration, { ...tags });
  const done = await pollUntilDone(location, accepted, startedAt + TIMEOUT_S * 1000, tags);
  if (typeof done === 'string') return lost(done, tags);
  metrics.e2e.add(Date.now() - startedAt, { ...tags });
  metrics.outputTokens.add(done.completion_tokens, { ...tags });
  metrics.promptTokens.add(done.prompt_tokens, { ...tags });
  metrics.sloGood.add(true, { ...tags });
  return null;
}

/** @returns the usage of the answer, or what went wrong. */
async function pollUntilDone(
  location: string,
  first: Reply,
  untilMs: number,
  tags: metrics.Tags,
): Promise<Usage | string> {
  let reply = first;
  while (Date.now() < untilMs) {
    await pause(Number(header(reply, 'Openai-Poll-After-Ms') ?? POLL_MS));
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
