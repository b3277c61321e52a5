/** Batches in tests, through the official client. */
import assert from 'node:assert/strict';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { chat, waitFor } from './stack.ts';

export const URL_CHAT = '/v1/chat/completions';
const FINAL = ['completed', 'failed', 'cancelled', 'expired'];

export interface OutputLine {
  readonly id: string;
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly request_id: string;
    readonly body: {
      readonly object?: string;
      readonly model?: string;
      readonly choices?: readonly { message: { content: string }; text?: string }[];
      readonly output?: readonly { content: readonly { text: string }[] }[];
      readonly data?: readonly object[];
      readonly error?: { message: string };
    };
  } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export function lineOf(customId: string, body: object, more: object = {}): string {
  return JSON.stringify({ custom_id: customId, method: 'POST', url: URL_CHAT, body, ...more });
}

export function question(i: number | string, maxTokens = 4): Record<string, unknown> {
  return chat(`question ${i}`, { max_tokens: maxTokens });
}

export function batchesOf(client: OpenAI) {
  const upload = async (content: string | Uint8Array, name = 'in.jsonl') =>
    client.files.create({ file: await toFile(Buffer.from(content as string), name), purpose: 'batch' });
  const begin = async (content: string | Uint8Array, more: Partial<OpenAI.BatchCreateParams> = {}) => {
    const file = await upload(content);
    const params = { input_file_id: file.id, endpoint: URL_CHAT, completion_window: '24h' } as const;
    return client.batches.create({ ...params, ...more });
  };
  const whenOver = async (id: string, limitMs = 60_000) => {
    let batch = await client.batches.retrieve(id);
    await waitFor(async () => {
      batch = await client.batches.retrieve(id);
      return FINAL.includes(batch.status);
    }, limitMs);
    return batch;
  };
  /** Strict JSONL: each line is JSON, and the last one ends too. */
  const linesOf = async (fileId: string | null | undefined): Promise<OutputLine[]> => {
    if (!fileId) return [];
    const text = await (await client.files.content(fileId)).text();
    assert.ok(text.endsWith('\n'));
    return text
      .slice(0, -1)
      .split('\n')
      .map(line => JSON.parse(line) as OutputLine);
  };
  return { upload, begin, whenOver, linesOf };
}
