/**
 * Translates a chat completion's stream into events of the Responses API, and into the response object. A whole completion
 * is treated as a stream of few chunks, so one state machine does both, and an event of a given completion has the same number
 * whenever and wherever it is read.
 *
 * Text opens a message, reasoning a reasoning item, and each tool call an item of its own; content of another kind closes it. Calls
 * alone may be open together, for engines that tell their arguments in turns.
 */
import { type CompletionUsage, isCutShort } from '../engine/chat-chunk.ts';
import { CONTEXT_CODE } from '../engine/engine-error.ts';
import { countTokens, toResponsesUsage } from '../openai/usage.ts';
import { ChunkReader } from '../runs/chunk-reader.ts';
import { type Completion, CompletionBuilder, opsOfCompletion } from '../runs/completion-builder.ts';
import type { LogOp } from '../runs/run-log.ts';
import {
  type CallStart,
  NO_CALL,
  newItem,
  type OutputItem,
  partOf,
  placeOf,
  startedItem,
  summaryPart,
  type TextKind,
  wholeItem,
} from './output-item.ts';
import { ToolBook } from './tools.ts';

type Json = Record<string, unknown>;
export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export interface ResponseBase {
  /** `resp_…` */
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly background: boolean;
  /** Echoed request fields; calls are told by their `tools`. */
  readonly params: Json;
  /** What the client asked to have in it beside the usual; nothing if absent. */
  readonly include?: readonly string[];
}

/** Why a response failed; codes are those of the API, and the one that its clients know of a prompt that is too long. */
export interface ResponseFailure {
  readonly code: 'server_error' | 'rate_limit_exceeded' | 'invalid_prompt' | typeof CONTEXT_CODE;
  readonly message: string;
}

/**
 * @param status of HTTP: that of the engine's answer, or of the error in its place.
 * @param code that the error has elsewhere.
 */
export function failureOf(status: number, message: string, code: unknown = null): ResponseFailure {
  if (code === CONTEXT_CODE) return { code, message };
  const isClients = status >= 400 && status < 500;
  return {
    code: status === 429 ? 'rate_limit_exceeded' : isClients ? 'invalid_prompt' : 'server_error',
    message,
  };
}

export class ResponseStream {
  readonly #base: ResponseBase;
  readonly #items: OutputItem[] = [];
  readonly #open = new Set<OutputItem>();
  /** The open item that is no call. */
  #said: OutputItem | null = null;
  /** By number of the call. */
  readonly #calls = new Map<number, OutputItem>();
  readonly #reader = new ChunkReader();
  readonly #whole = new CompletionBuilder();
  #finish: string | null = null;
  #usage: CompletionUsage | null = null;
  #sequence = 0;
  readonly #after: number;
  readonly #runId: string;
  readonly #book: ToolBook;
  readonly #isSealed: boolean;
  #out = '';

  /** @param after events up to this sequence number are counted, but left out. */
  constructor(base: ResponseBase, after = -1) {
    this.#base = base;
    this.#after = after;
    this.#runId = base.id.slice('resp_'.length);
    const { tools } = base.params;
    this.#book = new ToolBook(Array.isArray(tools) ? tools : []);
    this.#isSealed = base.include?.includes('reasoning.encrypted_content') ?? false;
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

  /** A chunk of the engine's stream, or its whole answer. */
  push(chunk: Completion): string {
    const isWhole = chunk.choices?.[0]?.message !== undefined;
    return this.add(isWhole ? opsOfCompletion(chunk) : this.#reader.read(chunk));
  }

  /** What a chunk says, or what was logged of it. */
  add(ops: readonly LogOp[]): string {
    for (const op of ops) this.#add(op);
    return this.#take();
  }

  #add(op: LogOp): void {
    this.#whole.add(op);
    if (op[0] === 't') this.#text('message', op[1], op[3]);
    else if (op[0] === 'r') this.#text('reasoning', op[1]);
    else if (op[0] === 'x') this.#text('refusal', op[1]);
    else if (op[0] === 'c') this.#call(op);
    else if (op[0] === 'f') this.#finish = op[1];
    else this.#usage = op[1];
  }

  /** Closes the open item and ends the stream. */
  end(completedAt: number): string {
    const status = this.finalStatus;
    this.add(this.#reader.flush());
    this.#closeAll(status === 'incomplete');
    this.#emit(`response.${status}`, () => ({ response: this.object(status, { completedAt }) }));
    return `${this.#take()}data: [DONE]\n\n`;
  }

  failed(error: ResponseFailure): string {
    this.#emit('response.failed', () => ({ response: this.object('failed', { error }) }));
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
  get completion(): Completion {
    return this.#whole.completion;
  }

  /** The response object. */
  object(status: ResponseStatus, end: { completedAt?: number; error?: ResponseFailure } = {}): Json {
    const done = status === 'completed' || status === 'incomplete';
    const reason = this.#finish === 'content_filter' ? 'content_filter' : 'max_output_tokens';
    return {
      id: this.#base.id,
      object: 'response',
      created_at: this.#base.createdAt,
      status,
      background: this.#base.background,
      completed_at: status === 'completed' ? (end.completedAt ?? null) : null,
      error: end.error ?? null,
      incomplete_details: status === 'incomplete' ? { reason } : null,
      ...this.#base.params,
      output:
        done || status === 'failed' || status === 'cancelled'
          ? this.#items.map(item =>
              this.#shown(item, item.isCut || (this.#open.has(item) && status !== 'completed')),
            )
          : [],
      usage: done && this.#usage !== null ? toUsage(this.#usage) : null,
    };
  }

  #shown(item: OutputItem, isCut: boolean): Json {
    return wholeItem(item, { isCut, isSealed: this.#isSealed });
  }

  #text(kind: TextKind, delta: string, logprobs: readonly object[] = []): void {
    const item = this.#said?.kind === kind ? this.#said : this.#begin(kind);
    item.text += delta;
    item.logprobs.push(...logprobs);
    const at = { ...placeOf(item), delta };
    if (kind === 'message') this.#emit('response.output_text.delta', { ...at, logprobs });
    else if (kind === 'refusal') this.#emit('response.refusal.delta', at);
    else {
      this.#emit('response.reasoning_text.delta', at);
      this.#emit('response.reasoning_summary_text.delta', { ...summaryPlace(item), delta });
    }
  }

  #call([, number, id, name, delta]: Extract<LogOp, readonly ['c', ...unknown[]]>): void {
    const known = this.#calls.get(number);
    // A log of an earlier version may count two calls as one.
    const goesOn = known !== undefined && (id === null || id === known.callId);
    const item = goesOn ? known : this.#begin('call', { number, id, tool: this.#book.called(name ?? '') });
    // Closed once its arguments were complete: what follows is white space.
    if (delta === '' || !this.#open.has(item)) return;
    item.text += delta;
    this.#emitArguments(item, item.custom === null ? delta : item.custom.push(delta));
  }

  #emitArguments(item: OutputItem, delta: string): void {
    if (delta === '') return;
    const name = item.custom === null ? 'function_call_arguments' : 'custom_tool_call_input';
    const at = { item_id: item.id, output_index: item.index };
    this.#emit(`response.${name}.delta`, { ...at, delta });
  }

  #begin(kind: OutputItem['kind'], call: CallStart = NO_CALL): OutputItem {
    this.#closeComplete();
    const index = this.#items.length;
    const item = newItem(kind, index, this.#runId, call);
    this.#items.push(item);
    this.#open.add(item);
    if (kind === 'call') this.#calls.set(call.number, item);
    else this.#said = item;
    this.#emit('response.output_item.added', { output_index: index, item: startedItem(item) });
    if (kind !== 'call')
      this.#emit('response.content_part.added', { ...placeOf(item), part: partOf(kind, '') });
    if (kind === 'reasoning')
      this.#emit('response.reasoning_summary_part.added', { ...summaryPlace(item), part: summaryPart('') });
    return item;
  }

  /** Another item begins. Calls may come in turns: one whose arguments are not complete stays open. */
  #closeComplete(): void {
    this.#said = null;
    for (const item of [...this.#open]) if (item.kind !== 'call' || isJson(item.text)) this.#close(item);
  }

  #closeAll(isCut: boolean): void {
    this.#said = null;
    const last = [...this.#open].at(-1);
    for (const item of [...this.#open]) this.#close(item, isCut && item === last);
  }

  #close(item: OutputItem, isCut = false): void {
    this.#open.delete(item);
    item.isCut = isCut;
    if (item.kind === 'call') this.#closeCall(item);
    else this.#closeText(item, item.kind);
    this.#emit('response.output_item.done', { output_index: item.index, item: this.#shown(item, isCut) });
  }

  #closeCall(item: OutputItem): void {
    const at = { item_id: item.id, output_index: item.index };
    if (item.custom !== null) {
      const { input, rest } = item.custom.end();
      this.#emitArguments(item, rest);
      this.#emit('response.custom_tool_call_input.done', { ...at, input });
      return;
    }
    if (item.text === '' && !item.isCut) {
      item.text = '{}';
      this.#emitArguments(item, item.text);
    }
    const { tool, text } = item;
    this.#emit('response.function_call_arguments.done', { ...at, name: tool.name, arguments: text });
  }

  #closeText(item: OutputItem, kind: TextKind): void {
    const { text, logprobs } = item;
    const place = placeOf(item);
    if (kind === 'message') this.#emit('response.output_text.done', { ...place, text, logprobs });
    else if (kind === 'refusal') this.#emit('response.refusal.done', { ...place, refusal: text });
    else this.#emit('response.reasoning_text.done', { ...place, text });
    this.#emit('response.content_part.done', { ...place, part: partOf(kind, text, logprobs) });
    if (kind !== 'reasoning') return;
    this.#emit('response.reasoning_summary_text.done', { ...summaryPlace(item), text });
    this.#emit('response.reasoning_summary_part.done', { ...summaryPlace(item), part: summaryPart(text) });
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

/** Engines summarise nothing: the reasoning itself is told as its only part, for clients that show nothing else. */
const summaryPlace = (item: OutputItem) => ({
  ...{ item_id: item.id, output_index: item.index, summary_index: 0 },
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Engines do not report what they wrote to their cache. */
function toUsage(usage: CompletionUsage): Json {
  const shown = toResponsesUsage(countTokens(usage));
  return { ...shown, input_tokens_details: { ...shown.input_tokens_details, cache_write_tokens: 0 } };
}
