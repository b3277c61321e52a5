/** OpenAI's Batches: upload a file of requests, start it, follow it to its end. */
import exec from 'k6/execution';
import http from 'k6/http';
import { failureOf, pause, send } from './client.ts';
import { REGION } from './env.ts';
import * as metrics from './metrics.ts';
import type { Prepared } from './preflight.ts';
import type { Usage } from './stream.ts';
import { type Draw, promptText } from './workload.ts';

const POLL_MS = 500;
/** Tells the batches of a run from those of others. */
const OF_RUN = 'load_test';
const FINAL = ['completed', 'failed', 'expired', 'cancelled'];

export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly output_file_id?: string | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
}

export function batchTags(model: string): metrics.Tags {
  return { model, lane: 'batch', region: REGION, mode: 'batch' };
}

/** @returns the batch, or what went wrong. */
export async function submitBatch(prepared: Prepared, draws: readonly Draw[]): Promise<Batch | string> {
  const tags = batchTags(prepared.model);
  const startedAt = Date.now();
  const file = http.file(jsonl(prepared, draws), 'requests.jsonl', 'application/jsonl');
  const uploaded = await send('POST', '/v1/files', { purpose: 'batch', file }, 'upload', {
    tags: { ...tags },
  });
  const failed = failureOf(uploaded);
  if (failed !== null) return failed;
  const order = {
    input_file_id: (JSON.parse(uploaded.body ?? '') as { id: string }).id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    metadata: { [OF_RUN]: prepared.run },
  };
  const created = await send('POST', '/v1/batches', JSON.stringify(order), 'batch', { tags: { ...tags } });
  const refused = failureOf(created);
  if (refused !== null) return refused;
  metrics.accept.add(Date.now() - startedAt, { ...tags });
  return JSON.parse(created.body ?? '') as Batch;
}

function jsonl({ model, run }: Prepared, draws: readonly Draw[]): string {
  const { name, iterationInTest } = exec.scenario;
  const lines = draws.map(({ promptTokens, outputTokens }, i) => {
    const content = promptText(`${run} ${name} ${iterationInTest} ${i}`, promptTokens);
    const body = { model, messages: [{ role: 'user', content }], max_tokens: outputTokens };
    return JSON.stringify({ custom_id: `line-${i}`, method: 'POST', url: '/v1/chat/completions', body });
  });
  return `${lines.join('\n')}\n`;
}

/** How much longer a batch is followed that has not one line done yet when the time is over, ms. */
const SLOW_START_MS = 20_000;

/** Asks until the batch is final or the time is over, and counts its lines as they are done. */
export async function followBatch(model: string, batch: Batch, untilMs: number): Promise<Batch | string> {
  const tags = batchTags(model);
  let now = batch;
  let done = 0;
  while (FINAL.indexOf(now.status) < 0 && Date.now() < untilMs + (done === 0 ? SLOW_START_MS : 0)) {
    await pause(POLL_MS);
    const reply = await send('GET', `/v1/batches/${batch.id}`, null, 'poll', { tags: { ...tags } });
    const failed = failureOf(reply);
    if (failed !== null) return failed;
    now = JSON.parse(reply.body ?? '') as Batch;
    const { completed } = now.request_counts;
    if (completed > done) metrics.batchLines.add(completed - done, { ...tags });
    done = Math.max(done, completed);
  }
  return now;
}

/** Reads the results and counts their tokens. @returns the custom ids that have an answer, or what went wrong. */
export async function readResults(model: string, batch: Batch): Promise<Set<string> | string> {
  const tags = batchTags(model);
  const reply = await send('GET', `/v1/files/${batch.output_file_id}/content`, null, 'results', {
    tags: { ...tags },
  });
  const failed = failureOf(reply);
  if (failed !== null) return failed;
  const answered = new Set<string>();
  for (const line of (reply.body ?? '').split('\n')) {
    if (line === '') continue;
    const result = JSON.parse(line) as { custom_id: string; response: { body: { usage?: Usage } } | null };
    const usage = result.response?.body.usage;
    if (usage === undefined) continue;
    answered.add(result.custom_id);
    metrics.outputTokens.add(usage.completion_tokens, { ...tags });
    metrics.promptTokens.add(usage.prompt_tokens, { ...tags });
  }
  return answered;
}

/** Use as `teardown`. A run that was interrupted must not leave hours of work behind. */
export async function cancelLeft({ model, run }: Prepared): Promise<void> {
  const reply = await send('GET', '/v1/batches?limit=100', null, 'batches', {
    tags: { ...batchTags(model) },
  });
  if (failureOf(reply) !== null) return;
  const { data } = JSON.parse(reply.body ?? '') as { data: Batch[] };
  const ended = [...FINAL, 'cancelling'];
  const left = data.filter(batch => batch.metadata?.[OF_RUN] === run && ended.indexOf(batch.status) < 0);
  for (const batch of left) await cancelBatch(model, batch);
}

export async function cancelBatch(model: string, batch: Batch): Promise<void> {
  await send('POST', `/v1/batches/${batch.id}/cancel`, '{}', 'cancel', { tags: { ...batchTags(model) } });
}
