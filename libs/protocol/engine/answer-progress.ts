/** How far an answer is: whole once every choice has ended, and well only where it ended for a reason that is one. */
import { isObject } from '../json/is-object.ts';
import type { ChatChunk, CompletionUsage } from './chat-chunk.ts';
import { readUsage, tokenCount } from './token-count.ts';

/** Reasons of OpenAI's API, and what TGI says in their place. `abort`, for one, means that the engine gave the request up. */
const GOOD_ENDS = new Set([
  ...['stop', 'length', 'tool_calls', 'function_call', 'content_filter'],
  ...['eos_token', 'stop_sequence'],
]);

export type AnswerPart = ChatChunk & {
  readonly choices?: readonly Record<string, unknown>[] | null;
};

export class AnswerProgress {
  /** Index of a choice → whether it has ended. */
  readonly #choices = new Map<number, boolean>();
  #usage: CompletionUsage | null = null;
  #badEnd: string | null = null;

  /** Null until the engine reported it. */
  get usage(): CompletionUsage | null {
    return this.#usage;
  }

  /** A finish reason that is no success; null where there is none. */
  get badEnd(): string | null {
    return this.#badEnd;
  }

  get choices(): number {
    return this.#choices.size;
  }

  /** Whether every choice seen so far has ended; false before the first. */
  get hasEnded(): boolean {
    if (this.#choices.size === 0 || this.#badEnd !== null) return false;
    for (const ended of this.#choices.values()) if (!ended) return false;
    return true;
  }

  /** @returns whether the part says anything: text, a part of a call, or the end of a choice. */
  note(part: ChatChunk): boolean {
    const { type } = part as { readonly type?: unknown };
    if (typeof type === 'string') return this.#noteMessage(type, part as MessagePart);
    this.#usage = readUsage(part.usage) ?? this.#usage;
    let says = false;
    const choices: unknown = part.choices;
    if (!Array.isArray(choices)) return false;
    for (const [i, choice] of choices.entries()) {
      if (!isObject(choice)) continue;
      const given: Record<string, unknown> = { ...choice };
      const index = typeof given['index'] === 'number' ? given['index'] : i;
      const reason = given['finish_reason'];
      const ended = reason !== null && reason !== undefined && reason !== '';
      if (ended && !GOOD_ENDS.has(String(reason))) this.#badEnd = String(reason).slice(0, 40);
      this.#choices.set(index, ended || this.#choices.get(index) === true);
      says ||= ended || saysSomething(given);
    }
    return says;
  }

  /** A message has one choice. Reasons why it ended are the model's own. */
  #noteMessage(type: string, { delta, stop_reason: whole, usage }: MessagePart): boolean {
    const ended = typeof (delta?.stop_reason ?? whole) === 'string';
    const written = tokenCount(usage?.output_tokens);
    if (written !== undefined) this.#usage = { completion_tokens: written };
    this.#choices.set(0, ended || this.#choices.get(0) === true);
    return ended || type === 'content_block_delta';
  }
}

/** What is read of an event of Anthropic's API, or of a whole message. */
interface MessagePart {
  readonly delta?: { readonly stop_reason?: unknown } | null;
  readonly stop_reason?: unknown;
  readonly usage?: { readonly output_tokens?: number } | null;
}

/** Parts of a delta that are there before anything is said. */
const SILENT = new Set(['role']);

function saysSomething(choice: Record<string, unknown>): boolean {
  if (typeof choice['text'] === 'string' && choice['text'] !== '') return true;
  const delta = choice['delta'] ?? choice['message'];
  if (!isObject(delta)) return false;
  for (const [field, value] of Object.entries(delta)) {
    if (SILENT.has(field) || value === null || value === undefined || value === '') continue;
    if (Array.isArray(value) && value.length === 0) continue;
    return true;
  }
  return false;
}
