/**
 * What the client of a stream has been shown, so that another engine can go on from there after the first one died.
 *
 * Events are read as JSON. Those of one stream mostly differ in their text alone, and parsing each took twice as long: what stands
 * around the text of one is remembered, and another that is the same up to its text is known to mean the same.
 */
import { type ChatChunk, ENDPOINT_TABLE, type Endpoint, eventData, readChunk } from '@penstock/protocol';

/** A stream longer than this is not continued. Escaped characters. */
const MAX_TEXT = 512 * 1024;
/** Nor one with so much at once, bytes: that is something else than text, and reading it would delay others. */
const MAX_EVENTS_BYTES = 2 * 1024 * 1024;

export interface Shown {
  readonly text: string;
  readonly chunks: number;
  /** What the engine has counted by then, where it says so in its chunks (`usage`, token ids); else null. */
  readonly tokens: number | null;
  readonly promptTokens: number | null;
  /** Why the answer ended; null while it has not. */
  readonly finish: string | null;
  readonly chunkId: string;
  readonly created: number;
}

/**
 * The whole of a JSON string between its quotes. Anything else ends before the closing quote of the template, or makes that quote a
 * part of it, or is not JSON.
 */
const IN_QUOTES = /^(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*$/iu;

/** An event without its text, as JSON: everything up to the opening quote, and from the closing one on. */
interface Template {
  readonly before: string;
  readonly after: string;
  /** Its token ids. */
  readonly ids: number;
}

export class ShownText {
  /** As JSON has it, without quotes: a character may come in two halves. */
  #escaped = '';
  #chunks = 0;
  #head: { readonly id: unknown; readonly created: unknown } | null = null;
  #template: Template | null = null;
  /** Token ids seen; null where the engine gives none. */
  #ids: number | null = null;
  #reported: number | null = null;
  #promptTokens: number | null = null;
  #finish: string | null = null;
  #continuable: boolean;

  /** @param continuable false when the request itself rules continuation out (several choices, tools, …) */
  constructor(endpoint: Endpoint, continuable: boolean) {
    this.#continuable = continuable && ENDPOINT_TABLE[endpoint].answer === 'choices';
  }

  get continuable(): boolean {
    return this.#continuable;
  }

  /** Notes whole events that are about to be written to the client. */
  add(events: Buffer): void {
    if (!this.#continuable) return;
    if (events.length > MAX_EVENTS_BYTES) return this.#giveUp();
    for (const data of eventData(events.toString('utf8'))) {
      const escaped = this.#templated(data) ?? this.#parsed(data);
      if (escaped === null || this.#escaped.length > MAX_TEXT) return this.#giveUp();
      if (escaped === '') continue;
      this.#escaped += escaped;
      this.#chunks++;
    }
  }

  /** The escaped text of an event that fits the template of an earlier one; null for any other. */
  #templated(data: string): string | null {
    if (this.#template === null) return null;
    const { before, after, ids } = this.#template;
    const end = data.length - after.length;
    if (end < before.length || !data.startsWith(before) || !data.endsWith(after)) return null;
    const text = data.slice(before.length, end);
    if (!IN_QUOTES.test(text)) return null;
    if (this.#ids !== null) this.#ids += ids;
    return text;
  }

  /** The escaped text of any event, empty where it has none; null where text cannot stand for what it says. */
  #parsed(data: string): string | null {
    if (data.trim() === '[DONE]') return '';
    try {
      const chunk = readChunk(data);
      const { id, created } = chunk as { id?: unknown; created?: unknown };
      this.#head ??= { id, created };
      const ids = this.#count(chunk);
      const text = textOf(chunk);
      if (text !== null && text !== '') this.#template = templateOf(data, text, ids) ?? this.#template;
      return text === null ? null : JSON.stringify(text).slice(1, -1);
    } catch {
      return null;
    }
  }

  /** Notes what the chunk says of tokens, and of the end. @returns its token ids. */
  #count({ usage, choices, ...chunk }: ChatChunk): number {
    const [choice] = choices ?? [];
    if (typeof usage?.completion_tokens === 'number') this.#reported = usage.completion_tokens;
    const { prompt_token_ids: promptIds } = chunk as { prompt_token_ids?: unknown };
    if (typeof usage?.prompt_tokens === 'number') this.#promptTokens = usage.prompt_tokens;
    else if (Array.isArray(promptIds)) this.#promptTokens ??= promptIds.length;
    if (choice?.finish_reason) this.#finish = choice.finish_reason;
    const { token_ids: ids } = (choice ?? {}) as { token_ids?: unknown };
    if (!Array.isArray(ids)) return 0;
    this.#ids = (this.#ids ?? 0) + ids.length;
    return ids.length;
  }

  #giveUp(): void {
    this.#continuable = false;
    this.#escaped = '';
    this.#template = null;
  }

  /** What a continuing attempt has to know, or null when it cannot continue. */
  read(): Shown | null {
    if (!this.#continuable || this.#head === null) return null;
    const { id, created } = this.#head;
    if (typeof id !== 'string' || typeof created !== 'number') return null;
    return {
      ...{ text: JSON.parse(`"${this.#escaped}"`), chunks: this.#chunks, chunkId: id, created },
      ...{ tokens: this.#reported ?? this.#ids, promptTokens: this.#promptTokens, finish: this.#finish },
    };
  }
}

/** Null where it says something else than text: a call, reasoning, a refusal. */
function textOf({ choices }: ChatChunk): string | null {
  const [choice] = choices ?? [];
  if (choice === undefined) return '';
  const { delta = {}, text } = choice as { delta?: object | null; text?: unknown };
  if (typeof text === 'string') return text;
  const { role: _, content, ...others } = (delta ?? {}) as Record<string, unknown>;
  const isText = typeof content === 'string' || content === null || content === undefined;
  return isText && Object.values(others).every(isNothing) ? (content ?? '') : null;
}

function isNothing(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** Null where it cannot be told for sure which part is the text. */
function templateOf(data: string, text: string, ids: number): Template | null {
  const quoted = JSON.stringify(text);
  const at = data.indexOf(quoted);
  if (at < 0) return null;
  const before = data.slice(0, at + 1);
  const after = data.slice(at + quoted.length - 1);
  return textOf(readChunk(`${before}?${after}`)) === '?' ? { before, after, ids } : null;
}
