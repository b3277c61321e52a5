/** Reading responses as their clients do, and knowing what they should say. */
import assert from 'node:assert/strict';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { API_KEY } from './stack.ts';

export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly delta?: string;
  readonly code?: string;
  readonly item?: { type: string; id: string; status?: string };
  readonly response?: { id: string; status: string; output: ResponseItem[]; usage: object | null };
}

export interface ResponseItem {
  readonly type: string;
  readonly status: string;
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: string;
  readonly content?: { text: string }[];
}

export interface ResponseBody {
  readonly id: string;
  readonly status: string;
  readonly output: ResponseItem[];
  readonly usage: { output_tokens: number } | null;
  readonly completed_at: number | null;
  readonly incomplete_details: { reason: string } | null;
  readonly error: { code: string; message: string } | null;
  readonly service_tier: string;
  readonly metadata: Record<string, string>;
  readonly background: boolean;
}

/** A request to any node of a stack. */
export function ask(
  url: string,
  path: string,
  init: RequestInit & { key?: string; json?: unknown } = {},
): Promise<Response> {
  const { key = API_KEY, json, ...rest } = init;
  return fetch(url + path, {
    ...rest,
    ...(json === undefined ? {} : { method: 'POST', body: JSON.stringify(json) }),
    headers: {
      authorization: `Bearer ${key}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...init.headers,
    },
  });
}

export async function bodyOf(answer: Promise<Response> | Response): Promise<ResponseBody> {
  return (await (await answer).json()) as ResponseBody;
}

/** What the simulated model says to one message of a user. */
export function saidTo(content: string, tokens: number): string {
  return expectedTokens(promptHash({ messages: [{ role: 'user', content }] }), tokens).join('');
}

/** The events of a stream, one by one as they come; the closing `[DONE]` as null. */
export async function* eventsOf(answer: Response): AsyncGenerator<ResponseEvent | null> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block.split('\n').find(line => line.startsWith('data: '));
      if (data === undefined) continue;
      yield data === 'data: [DONE]' ? null : (JSON.parse(data.slice(6)) as ResponseEvent);
    }
  }
  assert.equal(rest, '', 'the last frame ends with a blank line');
}

/** Everything up to `[DONE]`. @throws where that does not come. */
export async function readEvents(answer: Promise<Response> | Response): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  const response = await answer;
  assert.equal(response.status, 200);
  let isDone = false;
  for await (const event of eventsOf(response)) {
    if (event === null) isDone = true;
    else events.push(event);
  }
  assert.ok(isDone, 'the stream ends with [DONE]');
  return events;
}

export function textOf(events: readonly ResponseEvent[]): string {
  return events
    .filter(event => event.type === 'response.output_text.delta')
    .map(event => event.delta)
    .join('');
}

/** Numbers rise by one, from `first`. */
export function assertGapless(events: readonly ResponseEvent[], first = 0): void {
  assert.deepEqual(
    events.map(event => event.sequence_number),
    events.map((_, i) => first + i),
  );
}
