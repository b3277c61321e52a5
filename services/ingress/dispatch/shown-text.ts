/**
 * What the client of a stream has been shown, so that another engine can go on from there after the first one died.
 * The text is cut out of the events' bytes; parsing each event as JSON cost four times as much.
 */
import { ENDPOINT_TABLE, type Endpoint, eventData } from '@penstock/protocol';

const NEEDLES: Record<'chat' | 'completions', string> = { chat: '"content":', completions: '"text":' };
/** Parts of a delta that plain text cannot stand for. */
const NOT_TEXT = /"tool_calls":\s*\[|"reasoning(_content)?":\s*"|"refusal":\s*"/;
/** A stream longer than this is not continued. Escaped characters. */
const MAX_TEXT = 512 * 1024;

export interface Shown {
  readonly text: string;
  readonly chunks: number;
  readonly chunkId: string;
  readonly created: number;
}

export class ShownText {
  readonly #needle: string;
  #escaped = '';
  #chunks = 0;
  #head: string | null = null;
  #continuable: boolean;

  /** @param continuable false when the request itself rules continuation out (several choices, tools, …) */
  constructor(endpoint: Endpoint, continuable: boolean) {
    this.#continuable = continuable && ENDPOINT_TABLE[endpoint].answer === 'choices';
    this.#needle = NEEDLES[endpoint === 'completions' ? 'completions' : 'chat'];
  }

  get continuable(): boolean {
    return this.#continuable;
  }

  /** Notes whole events that are about to be written to the client. */
  add(events: Buffer): void {
    if (!this.#continuable) return;
    const text = events.toString('utf8');
    this.#head ??= firstEvent(text);
    if (NOT_TEXT.test(text) || this.#escaped.length > MAX_TEXT) {
      this.#continuable = false;
      this.#escaped = '';
      return;
    }
    let at = text.indexOf(this.#needle);
    while (at >= 0) at = text.indexOf(this.#needle, this.#take(text, at + this.#needle.length));
  }

  /** Takes the JSON string that starts at or one blank behind `at`; returns where to look on. */
  #take(text: string, at: number): number {
    const open = text[at] === ' ' ? at + 1 : at;
    if (text[open] !== '"') return open;
    let close = text.indexOf('"', open + 1);
    while (close > 0 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
    if (close < 0) return text.length;
    if (close > open + 1) {
      this.#escaped += text.slice(open + 1, close);
      this.#chunks++;
    }
    return close;
  }

  /** What a continuing attempt has to know, or null when it cannot continue. */
  read(): Shown | null {
    if (!this.#continuable || this.#head === null) return null;
    try {
      const [first] = eventData(this.#head);
      const { id, created } = JSON.parse(first ?? '') as { id: unknown; created: unknown };
      if (typeof id !== 'string' || typeof created !== 'number') return null;
      return { text: JSON.parse(`"${this.#escaped}"`) as string, chunks: this.#chunks, chunkId: id, created };
    } catch {
      return null;
    }
  }
}

/** The first event that is no comment; null where there is none. */
function firstEvent(text: string): string | null {
  const at = text.startsWith('data:') ? 0 : text.indexOf('\ndata:') + 1;
  if (at === 0 && !text.startsWith('data:')) return null;
  return text.slice(at, Math.max(at, text.indexOf('\n\n', at)));
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0;
  for (let i = quote - 1; text[i] === '\\'; i--) slashes++;
  return slashes % 2 === 1;
}
