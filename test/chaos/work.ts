/** The work of the restart test: background responses and a batch, each with an answer that can be told beforehand. */
import assert from 'node:assert/strict';
import { defaultOutputTokens, expectedTokens, promptHash } from '@penstock/engine-sim';
import type OpenAI from 'openai';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
import { chat, post, type Stack } from '../../testkit/stack.ts';

export interface Accepted {
  readonly id: string;
  readonly question: string;
}

/** Pause before the same is asked again, ms. */
const AGAIN_MS = 50;
const CLIENTS = 16;

/** Digest under which the engines log a question. */
export function hashOf(question: string): string {
  return promptHash(chat(question));
}

function answerTo(question: string): string {
  const hash = hashOf(question);
  return expectedTokens(hash, defaultOutputTokens(hash)).join('');
}

/**
 * Asks in the background, again and again until it is accepted, under one Idempotency-Key: a client that does not know
 * whether it was heard.
 */
async function ask(stack: Stack, question: string): Promise<Accepted> {
  const body = { model: 'sim-chat', input: question, background: true };
  for (;;) {
    try {
      const answer = await post(stack, '/v1/responses', body, { headers: { 'idempotency-key': question } });
      if (answer.status === 200) return { id: ((await answer.json()) as { id: string }).id, question };
      assert.ok(answer.status >= 500 || answer.status === 429, `refused with ${answer.status}`);
      await answer.arrayBuffer();
    } catch (err) {
      if (err instanceof assert.AssertionError) throw err;
    }
    await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
  }
}

/** @param mayAsk resolves when the question of this index may be asked: they are spread over all that happens. */
export async function askAll(
  stack: Stack,
  count: number,
  mayAsk: (index: number) => Promise<void>,
): Promise<Accepted[]> {
  const accepted: Accepted[] = [];
  let next = 0;
  const client = async () => {
    for (let i = next++; i < count; i = next++) {
      await mayAsk(i);
      accepted.push(await ask(stack, `response ${i}`));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return accepted;
}

export async function checkResponses(client: OpenAI, accepted: readonly Accepted[]): Promise<void> {
  assert.equal(new Set(accepted.map(({ id }) => id)).size, accepted.length, 'one response a key');
  for (const { id, question } of accepted) {
    const response = await client.responses.retrieve(id);
    assert.equal(response.status, 'completed', `${id}: ${JSON.stringify(response.error)}`);
    assert.equal(response.output_text, answerTo(question), id);
  }
}

export const lineQuestion = (i: number) => `line ${i}`;

export function beginBatch(client: OpenAI, lines: number) {
  const text = Array.from({ length: lines }, (_, i) => lineOf(`l${i}`, chat(lineQuestion(i)))).join('\n');
  return batchesOf(client).begin(text);
}

/** Every line in the output file exactly once, with its answer. */
export async function checkBatch(client: OpenAI, id: string, lines: number): Promise<void> {
  const batch = await client.batches.retrieve(id);
  assert.equal(batch.status, 'completed');
  assert.deepEqual(batch.request_counts, { total: lines, completed: lines, failed: 0 });
  const output = await batchesOf(client).linesOf(batch.output_file_id);
  assert.deepEqual(
    output.map(line => line.custom_id),
    Array.from({ length: lines }, (_, i) => `l${i}`),
  );
  for (const [i, line] of output.entries())
    assert.equal(line.response?.body.choices?.[0]?.message.content, answerTo(lineQuestion(i)));
}
