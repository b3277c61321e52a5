/**
 * The text in a call of a custom tool. Engines write it as JSON, `{"input":"…"}`; clients get the text itself, piece by piece. What is told
 * depends on the pieces together and not on where they were cut.
 */

const BEGINNING = /^\s*\{\s*"input"\s*:\s*"/;
/** Characters within which a text that is told as it comes has to begin. */
const MAX_BEGINNING = 256;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

export class CustomInput {
  #raw = '';
  /** Offset of what is still to be read; -1 before the text, or where it does not begin as expected. */
  #at = -1;
  #isOver = false;
  #told = '';

  /** @returns what more of the text is known. */
  push(json: string): string {
    this.#raw += json;
    if (this.#at < 0) {
      if (this.#raw.length - json.length > MAX_BEGINNING) return '';
      const begins = BEGINNING.exec(this.#raw.slice(0, MAX_BEGINNING));
      if (begins === null) return '';
      this.#at = begins[0].length;
    }
    const more = this.#read();
    this.#told += more;
    return more;
  }

  /** @returns the whole text, and what was not told of it. Arguments that are none are the text themselves. */
  end(): { readonly input: string; readonly rest: string } {
    if (this.#at >= 0) return { input: this.#told, rest: '' };
    const input = textIn(this.#raw);
    return { input, rest: input };
  }

  #read(): string {
    let out = '';
    while (!this.#isOver && this.#at < this.#raw.length) {
      const next = this.#raw[this.#at];
      if (next === '"') this.#isOver = true;
      else if (next === '\\') {
        const char = this.#escaped();
        if (char === null) break;
        out += char;
      } else out += this.#plain();
    }
    return out;
  }

  #plain(): string {
    const rest = /[^"\\]*/y;
    rest.lastIndex = this.#at;
    const text = rest.exec(this.#raw)?.[0] ?? '';
    this.#at += text.length;
    return text;
  }

  /** Null while it is not whole. */
  #escaped(): string | null {
    const kind = this.#raw[this.#at + 1];
    if (kind === undefined) return null;
    if (kind !== 'u') {
      this.#at += 2;
      return ESCAPES[kind] ?? kind;
    }
    if (this.#raw.length < this.#at + 6) return null;
    const code = Number.parseInt(this.#raw.slice(this.#at + 2, this.#at + 6), 16);
    // The second half of a pair belongs to the same delta.
    if (code >= 0xd800 && code < 0xdc00 && this.#raw.length < this.#at + 12) {
      const next = this.#raw.slice(this.#at + 6, this.#at + 8);
      if ('\\u'.startsWith(next)) return null;
    }
    this.#at += 6;
    return Number.isNaN(code) ? '' : String.fromCharCode(code);
  }
}

function textIn(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'string') return value;
    const { input } = value as { input?: unknown };
    if (typeof input === 'string') return input;
    const texts = Object.values(value as object).filter(text => typeof text === 'string');
    if (texts.length === 1) return texts[0] as string;
  } catch {
    // The text without the JSON around it, or cut short.
  }
  return json;
}
