/**
 * Translates a chat completion into a message of Anthropic's API: event by event, or as a whole. Blocks follow one another: what comes
 * of another call while one is not complete waits for it.
 */
import { type CompletionUsage, isCutShort } from '../engine/chat-chunk.ts';
import { parseExactText } from '../json/exact-json.ts';
import { countTokens } from '../openai/usage.ts';
import type { LogOp } from '../runs/run-log.ts';

type Json = Record<string, unknown>;
type CallOp = Extract<LogOp, readonly ['c', ...unknown[]]>;

/** What is known of a message before its answer. */
export interface MessageBase {
  /** `msg_…` */
  readonly id: string;
  readonly model: string;
  /** Estimated: the engine's count comes with the end. */
  readonly inputTokens: number;
}

interface OpenBlock {
  readonly kind: 'text' | 'thinking' | 'tool_use';
  /** Of a call. */
  readonly number: number;
  readonly head: Json;
  text: string;
}

/** Clients send thinking back with the signature that came with it; here it only has to be there. */
const SIGNATURE = 'cGVuc3RvY2s=';

export class MessageStream {
  readonly #base: MessageBase;
  readonly #content: Json[] = [];
  /** Numbers of calls whose blocks are closed. */
  readonly #closed = new Set<number>();
  #open: OpenBlock | null = null;
  #held: CallOp[] = [];
  #hasCalls = false;
  #isRefused = false;
  #finish: string | null = null;
  #stopSequence: string | null = null;
  #usage: CompletionUsage | null = null;
  /** Pieces of the answer: about its tokens, where the engine does not count them. */
  #pieces = 0;
  #out = '';

  constructor(base: MessageBase) {
    this.#base = base;
  }

  begin(): string {
    this.#emit('message_start', { message: this.message });
    return this.#take();
  }

  /** What a part of the answer says. @param stopped the stop sequence that it ended with, where the engine says so. */
  add(ops: readonly LogOp[], stopped: string | null = null): string {
    this.#stopSequence ??= stopped;
    for (const op of ops) this.#add(op);
    return this.#take();
  }

  end(): string {
    this.#goOn(true);
    this.#close();
    const { stop_reason, stop_sequence, usage } = this.message;
    this.#emit('message_delta', { delta: { stop_reason, stop_sequence }, usage });
    this.#emit('message_stop', {});
    return this.#take();
  }

  /** As it stands; whole after {@link end}. */
  get message(): Json {
    const isOver = this.#finish !== null;
    return {
      ...{ id: this.#base.id, type: 'message', role: 'assistant', model: this.#base.model },
      content: [...this.#content],
      stop_reason: isOver ? this.#stopReason() : null,
      stop_sequence: isOver ? this.#stopSequence : null,
      usage: this.#usageNow(),
    };
  }

  #stopReason(): string {
    if (this.#isRefused || this.#finish === 'content_filter') return 'refusal';
    if (isCutShort(this.#finish)) return 'max_tokens';
    if (this.#hasCalls) return 'tool_use';
    return this.#stopSequence === null ? 'end_turn' : 'stop_sequence';
  }

  #usageNow(): Json {
    const counted = countTokens(this.#usage);
    const input = this.#usage === null ? this.#base.inputTokens : counted.input - counted.cached;
    return {
      input_tokens: Math.max(0, input),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: counted.cached,
      output_tokens: this.#usage === null ? this.#pieces : counted.output,
    };
  }

  #add(op: LogOp): void {
    this.#goOn(false);
    if (op[0] === 't') this.#pieces += op[2];
    else if (op[0] !== 'f' && op[0] !== 'u') this.#pieces++;
    switch (op[0]) {
      case 't':
        return this.#say('text', op[1]);
      case 'r':
        return this.#say('thinking', op[1]);
      case 'x':
        this.#isRefused = true;
        return this.#say('text', op[1]);
      case 'c':
        return this.#call(op);
      case 'f':
        this.#finish = op[1];
        return;
      case 'u':
        this.#usage = op[1];
    }
  }

  #say(kind: 'text' | 'thinking', text: string): void {
    if (this.#open?.kind !== kind) {
      const head = kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' };
      this.#begin({ kind, number: -1, head, text: '' });
    }
    this.#delta(text);
  }

  #call(op: CallOp): void {
    const [, number, id, name, text] = op;
    this.#hasCalls = true;
    if (this.#open?.number === number && id === null) return this.#delta(text);
    if (this.#closed.has(number) && id === null) return;
    if (this.#open?.kind === 'tool_use' && !isJson(this.#open.text)) {
      this.#held.push(op);
      return;
    }
    this.#begin({ kind: 'tool_use', number, head: { type: 'tool_use', id, name, input: {} }, text: '' });
    this.#delta(text);
  }

  /** Tells what was held, call by call, once the open one is complete. @param isOver nothing more comes: whatever is open is. */
  #goOn(isOver: boolean): void {
    while (this.#held.length > 0 && (isOver || this.#open === null || isJson(this.#open.text))) {
      const [first] = this.#held as [CallOp];
      const own = this.#held.filter(([, number]) => number === first[1]);
      this.#held = this.#held.filter(([, number]) => number !== first[1]);
      this.#close();
      for (const op of own) this.#call(op);
    }
  }

  #begin(block: OpenBlock): void {
    this.#close();
    this.#open = block;
    const index = this.#content.length;
    this.#emit('content_block_start', { index, content_block: block.head });
    if (index === 0) this.#emit('ping', {});
  }

  #delta(text: string): void {
    const open = this.#open;
    if (open === null || (text === '' && open.kind !== 'tool_use')) return;
    open.text += text;
    this.#emit('content_block_delta', { index: this.#content.length, delta: deltaOf(open.kind, text) });
  }

  #close(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    const index = this.#content.length;
    if (open.kind === 'thinking')
      this.#emit('content_block_delta', { index, delta: { type: 'signature_delta', signature: SIGNATURE } });
    if (open.kind === 'tool_use') this.#closed.add(open.number);
    this.#emit('content_block_stop', { index });
    this.#content.push(wholeOf(open));
  }

  #emit(type: string, fields: Json): void {
    this.#out += `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  }

  #take(): string {
    const out = this.#out;
    this.#out = '';
    return out;
  }
}

function deltaOf(kind: OpenBlock['kind'], text: string): Json {
  if (kind === 'text') return { type: 'text_delta', text };
  return kind === 'thinking'
    ? { type: 'thinking_delta', thinking: text }
    : { type: 'input_json_delta', partial_json: text };
}

function wholeOf({ kind, head, text }: OpenBlock): Json {
  if (kind === 'text') return { ...head, text };
  return kind === 'thinking'
    ? { ...head, thinking: text, signature: SIGNATURE }
    : { ...head, input: inputOf(text) };
}

/** Arguments that are no object are shown as they are. */
function inputOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    const input = parseExactText(text);
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input;
  } catch {
    // Cut short, or wrong.
  }
  return { arguments: text };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
