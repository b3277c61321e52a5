/**
 * Translates a chat completion's stream into events of the Responses API, and into the response object. A whole completion
 * is treated as a stream of few chunks, so one state machine does both, and an event of a given completion has the same number
 * whenever and wherever it is read.
 *
 * Text opens a message, reasoning a reasoning item, and each tool call an item of its own; content of another kind closes it. Calls
 * alone may be open together, for engines that tell their arguments in turns.
 */
import { type CompletionUsage, isCutShort } from '../engine/chat-chunk.ts';
import { countTokens, toResponsesUsage } from '../openai/usage.ts';
import { ChunkReader } from '../runs/chunk-reader.ts';
import { type Completion, CompletionBuilder, opsOfCompletion } from '../runs/completion-builder.ts';
import type { LogOp } from '../runs/run-log.ts';

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

type TextKind = 'message' | 'reasoning' | 'refusal';

interface CallStart {
  readonly number: number;
  readonly id: string | null;
  readonly name: string | null;
}

interface Item {
  readonly kind: TextKind | 'function_call';
  readonly index: number;
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  text: string;
  readonly logprobs: object[];
  /** The answer was cut off within this item. */
  isCut: boolean;
}

const ITEM_PREFIX = { message: 'msg', reasoning: 'rs', function_call: 'fc' } as const;

export class ResponseStream {
  readonly #base: ResponseBase;
  readonly #items: Item[] = [];
  readonly #open = new Set<Item>();
  /** The open item that is no call. */
  #said: Item | null = null;
  /** By number of the call. */
  readonly #calls = new Map<number, Item>();
  readonly #reader = new ChunkReader();
  readonly #whole = new CompletionBuilder();
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
  get completion(): Completion {
    return this.#whole.completion;
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
              whole(item, item.isCut || (this.#open.has(item) && status !== 'completed')),
            )
          : [],
      usage: done && this.#usage !== null ? toUsage(this.#usage) : null,
    };
  }

  #text(kind: TextKind, delta: string, logprobs: readonly object[] = []): void {
    const item = this.#said?.kind === kind ? this.#said : this.#begin(kind);
    item.text += delta;
    item.logprobs.push(...logprobs);
    const at = { ...placeOf(item), delta };
    if (kind === 'message') this.#emit('response.output_text.delta', { ...at, logprobs });
    else this.#emit(`response.${kind === 'refusal' ? kind : 'reasoning_text'}.delta`, at);
  }

  #call([, number, id, name, delta]: Extract<LogOp, readonly ['c', ...unknown[]]>): void {
    const known = this.#calls.get(number);
    // A log of an earlier version may count two calls as one.
    const goesOn = known !== undefined && (id === null || id === known.callId);
    const item = goesOn ? known : this.#begin('function_call', { number, id, name });
    // Closed once its arguments were complete: what follows is white space.
    if (delta === '' || !this.#open.has(item)) return;
    item.text += delta;
    this.#emitArguments(item, delta);
  }

  #emitArguments(item: Item, delta: string): void {
    const at = { item_id: item.id, output_index: item.index };
    this.#emit('response.function_call_arguments.delta', { ...at, delta });
  }

  #begin(kind: Item['kind'], call: CallStart = { number: -1, id: null, name: null }): Item {
    this.#closeComplete();
    const index = this.#items.length;
    const prefix = kind === 'refusal' ? ITEM_PREFIX.message : ITEM_PREFIX[kind];
    const id = `${prefix}_${this.#base.id.slice('resp_'.length)}_${index}`;
    const item: Item = {
      ...{ kind, index, id },
      callId: call.id ?? id,
      name: call.name ?? '',
      text: '',
      logprobs: [],
      isCut: false,
    };
    this.#items.push(item);
    this.#open.add(item);
    if (kind === 'function_call') this.#calls.set(call.number, item);
    else this.#said = item;
    this.#emit('response.output_item.added', { output_index: index, item: started(item) });
    if (kind !== 'function_call')
      this.#emit('response.content_part.added', { ...placeOf(item), part: partOf(kind, '') });
    return item;
  }

  /** Another item begins. Calls may come in turns: one whose arguments are not complete stays open. */
  #closeComplete(): void {
    this.#said = null;
    for (const item of [...this.#open])
      if (item.kind !== 'function_call' || isJson(item.text)) this.#close(item);
  }

  #closeAll(isCut: boolean): void {
    this.#said = null;
    const last = [...this.#open].at(-1);
    for (const item of [...this.#open]) this.#close(item, isCut && item === last);
  }

  #close(item: Item, isCut = false): void {
    this.#open.delete(item);
    item.isCut = isCut;
    const { kind, name } = item;
    const at = { item_id: item.id, output_index: item.index };
    if (kind === 'function_call') {
      if (item.text === '' && !isCut) {
        item.text = '{}';
        this.#emitArguments(item, item.text);
      }
      this.#emit('response.function_call_arguments.done', { ...at, name, arguments: item.text });
    } else this.#closeText(item, kind);
    this.#emit('response.output_item.done', { output_index: item.index, item: whole(item, isCut) });
  }

  #closeText(item: Item, kind: TextKind): void {
    const { text, logprobs } = item;
    const place = placeOf(item);
    if (kind === 'message') this.#emit('response.output_text.done', { ...place, text, logprobs });
    else if (kind === 'refusal') this.#emit('response.refusal.done', { ...place, refusal: text });
    else this.#emit('response.reasoning_text.done', { ...place, text });
    this.#emit('response.content_part.done', { ...place, part: partOf(kind, text, logprobs) });
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

function partOf(kind: TextKind, text: string, logprobs: readonly object[] = []): Json {
  if (kind === 'reasoning') return { type: 'reasoning_text', text };
  if (kind === 'refusal') return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations: [], logprobs };
}

function started(item: Item): Json {
  const { id, kind, callId, name } = item;
  const status = 'in_progress';
  if (kind === 'reasoning') return { id, type: kind, summary: [], content: [], status };
  if (kind === 'function_call') return { id, type: kind, call_id: callId, name, arguments: '', status };
  return { id, type: 'message', role: 'assistant', status, content: [] };
}

function whole(item: Item, isCut: boolean): Json {
  const { id, kind, callId, name, text, logprobs } = item;
  const status = isCut ? 'incomplete' : 'completed';
  if (kind === 'function_call') return { id, type: kind, call_id: callId, name, arguments: text, status };
  const content = [partOf(kind, text, logprobs)];
  if (kind === 'reasoning') return { id, type: kind, summary: [], content, status };
  return { id, type: 'message', role: 'assistant', status, content };
}

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
