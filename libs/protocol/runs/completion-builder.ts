import type { ChatChunk, CompletionUsage } from '../engine/chat-chunk.ts';
import { ChunkReader } from './chunk-reader.ts';
import type { LogOp } from './run-log.ts';

interface Call {
  readonly id: string;
  readonly type: 'function';
  readonly function: { name: string; arguments: string };
}

/**
 * Kind and length of a part of the answer: characters of text (`t`), reasoning (`r`) or refusal (`x`); the next call (`c`).
 */
type Part = readonly ['t' | 'r' | 'x', number] | readonly ['c'];

/** A completion whose parts came in another order than that of its fields. */
export type Completion = ChatChunk & {
  /** Only where it differs from: reasoning, text, refusal, calls. */
  readonly penstock_order?: readonly Part[];
};

/** Assembles the operations of a stream into the completion that the engine would have sent without `stream`. */
export class CompletionBuilder {
  #text = '';
  #reasoning = '';
  #refusal = '';
  readonly #logprobs: object[] = [];
  readonly #calls: Call[] = [];
  /** By number. */
  readonly #callOf = new Map<number, Call>();
  readonly #order: Part[] = [];
  #finish: string | null = null;
  #usage: CompletionUsage | null = null;

  add(op: LogOp): void {
    if (op[0] === 't') {
      this.#text += op[1];
      if (op[3] !== undefined) this.#logprobs.push(...op[3]);
    } else if (op[0] === 'r') this.#reasoning += op[1];
    else if (op[0] === 'x') this.#refusal += op[1];
    else if (op[0] === 'f') this.#finish = op[1];
    else if (op[0] === 'u') this.#usage = op[1];
    else this.#addCall(op);
    if (op[0] === 't' || op[0] === 'r' || op[0] === 'x') this.#note(op[0], op[1].length);
  }

  #note(kind: 't' | 'r' | 'x', length: number): void {
    const last = this.#order.at(-1);
    if (last?.[0] === kind) this.#order[this.#order.length - 1] = [kind, last[1] + length];
    else this.#order.push([kind, length]);
  }

  #addCall([, number, id, name, args]: Extract<LogOp, readonly ['c', ...unknown[]]>): void {
    const known = this.#callOf.get(number);
    // A log of an earlier version may count two calls as one.
    if (known !== undefined && (id === null || id === known.id)) {
      known.function.arguments += args;
      return;
    }
    this.#order.push(['c']);
    const call: Call = { id: id ?? '', type: 'function', function: { name: name ?? '', arguments: args } };
    this.#calls.push(call);
    this.#callOf.set(number, call);
  }

  get finishReason(): string | null {
    return this.#finish;
  }

  get completion(): Completion {
    const calls = this.#calls.map(call => ({
      ...call,
      function: { ...call.function, arguments: call.function.arguments || '{}' },
    }));
    const message = {
      role: 'assistant',
      content: this.#text === '' && (calls.length > 0 || this.#refusal !== '') ? null : this.#text,
      refusal: this.#refusal === '' ? null : this.#refusal,
      ...(this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning }),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    };
    const logprobs = this.#logprobs.length === 0 ? null : { content: this.#logprobs, refusal: null };
    const choice = { index: 0, message, logprobs, finish_reason: this.#finish };
    const order = isUsual(this.#order) ? {} : { penstock_order: this.#order };
    return { choices: [choice], usage: this.#usage, ...order };
  }
}

const USUAL = 'rtxc';

function isUsual(order: readonly Part[]): boolean {
  const places = order.map(([kind]) => USUAL.indexOf(kind));
  return places.every((place, i) => i === 0 || place >= (places[i - 1] ?? 0));
}

/** The operations of a completion, in the order in which its parts came. @throws where its parts have other types than the API's. */
export function opsOfCompletion(completion: Completion): LogOp[] {
  const ops = new ChunkReader().read(completion);
  const { penstock_order: order } = completion;
  if (order === undefined) return ops;
  const calls = ops.filter(op => op[0] === 'c');
  const text = { t: '', r: '', x: '' };
  for (const op of ops) if (op[0] === 't' || op[0] === 'r' || op[0] === 'x') text[op[0]] = op[1];
  const logprobs = ops.find(op => op[0] === 't')?.[3] as object[] | undefined;
  const parts = order.flatMap((part): LogOp[] => {
    if (part[0] === 'c') return calls.splice(0, 1);
    const [kind, length] = part;
    const said = text[kind].slice(0, length);
    text[kind] = text[kind].slice(length);
    if (kind !== 't') return [[kind, said]];
    return logprobs === undefined ? [['t', said, 1]] : [['t', said, 1, logprobs.splice(0)]];
  });
  return [...parts, ...ops.filter(op => op[0] === 'f' || op[0] === 'u')];
}
