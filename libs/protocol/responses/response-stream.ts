/**
 * Translates a chat completion's stream into events of the Responses API, and into the response object. A whole completion
 * is treated as a stream of few chunks, so one state machine does both, and an event of a given completion has the same number
 * whenever and wherever it is read.
 *
 * At most one output item is open. Text opens a message, reasoning a reasoning item, and each tool call an item of its own;
 * content of another kind closes it.
 */
import {
  type ChatChunk,
  type CompletionUsage,
  isCutShort,
  type ToolCallDelta,
} from '../openai/chat-chunk.ts';
import { countTokens, toResponsesUsage } from '../openai/usage.ts';

type Json = Record<string, unknown>;
export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export interface ResponseBase {
  /** `resp_…` */
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly background: boolean;
  /** Echoed request fields. */
  readonly params: Json;
}

interface Item {
  readonly kind: 'message' | 'reasoning' | 'function_call';
  readonly index: number;
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  /** Position of the call in the completion; −1 for the others. */
  readonly call: number;
  text: string;
  /** The answer was cut off within this item. */
  isCut: boolean;
}

const ITEM_PREFIX = { message: 'msg', reasoning: 'rs', function_call: 'fc' } as const;

export class ResponseStream {
  readonly #base: ResponseBase;
  readonly #items: Item[] = [];
  #open: Item | null = null;
  #finish: string | null = null;
  #usage: CompletionUsage | null = null;
  #sequence = 0;
  readonly #after: number;
  #out = '';

  /** @param after events up to this sequence number are counted, but left out. */
  constructor(base: ResponseBase, after = -1) {
    this.#base = base;
    this.#after = after;
  }

  /** `response.created`; for a background response `response.queued` too. */
  created(): string {
    const status = this.#base.background ? 'queued' : 'in_progress';
    this.#emit('response.created', () => ({ response: this.object(status) }));
    if (this.#base.background) this.#emit('response.queued', () => ({ response: this.object('queued') }));
    return this.#take();
  }

  inProgress(): string {
    this.#emit('response.in_progress', () => ({ response: this.object('in_progress') }));
    return this.#take();
  }

  push(chunk: ChatChunk): string {
    const choice = chunk.choices?.[0];
    const delta = choice?.delta ?? choice?.message;
    const reasoning = delta?.reasoning_content ?? delta?.reasoning;
    if (reasoning) this.#text('reasoning', reasoning);
    if (delta?.content) this.#text('message', delta.content);
    for (const [i, call] of (delta?.tool_calls ?? []).entries()) this.#call(call, call.index ?? i);
    this.#finish = choice?.finish_reason ?? this.#finish;
    this.#usage = chunk.usage ?? this.#usage;
    return this.#take();
  }

  /** Closes the open item and ends the stream. */
  end(completedAt: number): string {
    const status = this.finalStatus;
    this.#close(status === 'incomplete');
    this.#emit(`response.${status}`, () => ({ response: this.object(status, { completedAt }) }));
    return `${this.#take()}data: [DONE]\n\n`;
  }

  failed(message: string): string {
    this.#emit('response.failed', () => ({ response: this.object('failed', { error: message }) }));
    return `${this.#take()}data: [DONE]\n\n`;
  }

  /** The API has no event for a cancelled response, and a clean end would look like a complete answer. So it is an `error`, in the shapes of both APIs. */
  cancelled(): string {
    const error = { code: 'response_cancelled', message: 'The response was cancelled.', param: null };
    this.#emit('error', () => ({ ...error, error: { type: 'invalid_request_error', ...error } }));
    return `${this.#take()}data: [DONE]\n\n`;
  }

  get finalStatus(): 'completed' | 'incomplete' {
    return isCutShort(this.#finish) ? 'incomplete' : 'completed';
  }

  /** Everything so far, as a chat completion. */
  get completion(): ChatChunk {
    const textOf = (kind: Item['kind']) =>
      this.#items.flatMap(item => (item.kind === kind ? [item.text] : [])).join('');
    const calls = this.#items
      .filter(item => item.kind === 'function_call')
      .map(({ callId, name, text }) => ({ id: callId, function: { name, arguments: text } }));
    const message = {
      content: textOf('message'),
      reasoning_content: textOf('reasoning') || null,
      tool_calls: calls.length > 0 ? calls : null,
    };
    return { choices: [{ message, finish_reason: this.#finish }], usage: this.#usage };
  }

  /** The response object. */
  object(status: ResponseStatus, end: { completedAt?: number; error?: string } = {}): Json {
    const done = status === 'completed' || status === 'incomplete';
    const reason = this.#finish === 'content_filter' ? 'content_filter' : 'max_output_tokens';
    return {
      id: this.#base.id,
      object: 'response',
      created_at: this.#base.createdAt,
      status,
      background: this.#base.background,
      completed_at: status === 'completed' ? (end.completedAt ?? null) : null,
      error: end.error === undefined ? null : { code: 'server_error', message: end.error },
      incomplete_details: status === 'incomplete' ? { reason } : null,
      ...this.#base.params,
      output:
        done || status === 'failed' || status === 'cancelled'
          ? this.#items.map(item =>
              whole(item, item.isCut || (item === this.#open && status !== 'completed')),
            )
          : [],
      usage: done && this.#usage !== null ? toUsage(this.#usage) : null,
    };
  }

  #text(kind: 'message' | 'reasoning', delta: string): void {
    const item = this.#open?.kind === kind ? this.#open : this.#begin(kind);
    item.text += delta;
    const at = { item_id: item.id, output_index: item.index, content_index: 0, delta };
    if (kind === 'message') this.#emit('response.output_text.delta', { ...at, logprobs: [] });
    else this.#emit('response.reasoning_text.delta', at);
  }

  #call(call: ToolCallDelta, index: number): void {
    const same = this.#open?.kind === 'function_call' && this.#open.call === index;
    const item = same && this.#open !== null ? this.#open : this.#begin('function_call', call, index);
    const delta = call.function?.arguments ?? '';
    if (delta === '') return;
    item.text += delta;
    this.#emit('response.function_call_arguments.delta', {
      item_id: item.id,
      output_index: item.index,
      delta,
    });
  }

  #begin(kind: Item['kind'], call: ToolCallDelta = {}, callIndex = -1): Item {
    this.#close();
    const index = this.#items.length;
    const id = `${ITEM_PREFIX[kind]}_${this.#base.id.slice('resp_'.length)}_${index}`;
    const item: Item = {
      kind,
      index,
      id,
      callId: call.id ?? id,
      name: call.function?.name ?? '',
      call: callIndex,
      text: '',
      isCut: false,
    };
    this.#items.push(item);
    this.#open = item;
    this.#emit('response.output_item.added', { output_index: index, item: started(item) });
    if (kind !== 'function_call')
      this.#emit('response.content_part.added', { ...placeOf(item), part: partOf(kind, '') });
    return item;
  }

  #close(isCut = false): void {
    const item = this.#open;
    this.#open = null;
    if (item === null) return;
    item.isCut = isCut;
    const { kind, text, name } = item;
    const at = { item_id: item.id, output_index: item.index };
    if (kind === 'function_call')
      this.#emit('response.function_call_arguments.done', { ...at, name, arguments: text });
    else {
      const said = kind === 'message' ? { text, logprobs: [] } : { text };
      const type = kind === 'message' ? 'response.output_text.done' : 'response.reasoning_text.done';
      this.#emit(type, { ...placeOf(item), ...said });
      this.#emit('response.content_part.done', { ...placeOf(item), part: partOf(kind, text) });
    }
    this.#emit('response.output_item.done', { output_index: item.index, item: whole(item, isCut) });
  }

  #emit(type: string, fields: Json | (() => Json)): void {
    const sequence = this.#sequence++;
    if (sequence <= this.#after) return;
    const told = typeof fields === 'function' ? fields() : fields;
    const event = { type, sequence_number: sequence, ...told };
    this.#out += `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  }

  #take(): string {
    const out = this.#out;
    this.#out = '';
    return out;
  }
}

const placeOf = (item: Item) => ({ item_id: item.id, output_index: item.index, content_index: 0 });

function partOf(kind: 'message' | 'reasoning', text: string): Json {
  if (kind === 'reasoning') return { type: 'reasoning_text', text };
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function started(item: Item): Json {
  const { id, kind, callId, name } = item;
  const status = 'in_progress';
  if (kind === 'message') return { id, type: kind, role: 'assistant', status, content: [] };
  if (kind === 'reasoning') return { id, type: kind, summary: [], content: [], status };
  return { id, type: kind, call_id: callId, name, arguments: '', status };
}

function whole(item: Item, isCut: boolean): Json {
  const { id, kind, callId, name, text } = item;
  const status = isCut ? 'incomplete' : 'completed';
  if (kind === 'function_call') return { id, type: kind, call_id: callId, name, arguments: text, status };
  const content = [partOf(kind, text)];
  if (kind === 'message') return { id, type: kind, role: 'assistant', status, content };
  return { id, type: kind, summary: [], content, status };
}

/** Engines do not report what they wrote to their cache. */
function toUsage(usage: CompletionUsage): Json {
  const shown = toResponsesUsage(countTokens(usage));
  return { ...shown, input_tokens_details: { ...shown.input_tokens_details, cache_write_tokens: 0 } };
}
