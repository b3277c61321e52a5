/** Reads JSON that people write, and knows in which line each of its values stands: a mistake is to be found again. */

export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

export interface JsonWithLines {
  readonly value: unknown;
  /** Of the value at a path, or of what it would stand in. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** Nobody writes deeper ones. */
const MOST_DEPTH = 32;

/** @throws JsonError */
export function readJsonWithLines(text: string): JsonWithLines {
  const reader = new Reader(text);
  const value = reader.whole();
  return {
    value,
    lineOf: path => {
      for (let depth = path.length; depth > 0; depth--) {
        const line = reader.lines.get(nameOf(path.slice(0, depth)));
        if (line !== undefined) return line;
      }
      return 1;
    },
  };
}

const BLANK = /[ \t\r\n]*/y;
const SCALAR = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/y;

class Reader {
  readonly lines = new Map<string, number>();
  readonly #text: string;
  #at = 0;
  /** So that each line is counted once. */
  #counted = { at: 0, line: 1 };

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const value = this.#value([]);
    if (this.#next() !== '') this.#fail('there is something behind the end');
    return value;
  }

  #value(path: readonly PropertyKey[]): unknown {
    const next = this.#next();
    this.lines.set(nameOf(path), this.#line());
    if (path.length > MOST_DEPTH) this.#fail('it is nested too deeply');
    if (next === '{') return this.#object(path);
    if (next === '[') return this.#array(path);
    return this.#scalar('a value is missing, or is no JSON');
  }

  #object(path: readonly PropertyKey[]): object {
    const fields = new Map<string, unknown>();
    this.#at++;
    for (let isFirst = true; !this.#ends('}', isFirst); isFirst = false) {
      if (this.#next() !== '"') this.#fail('the name of a field is missing: it stands in double quotes');
      const name = this.#scalar('the name of a field is no JSON') as string;
      if (fields.has(name)) this.#fail('a field is there twice');
      this.#take(':');
      fields.set(name, this.#value([...path, name]));
    }
    return Object.fromEntries(fields);
  }

  #array(path: readonly PropertyKey[]): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    while (!this.#ends(']', items.length === 0)) items.push(this.#value([...path, items.length]));
    return items;
  }

  /** Whether the end is here; else takes the comma that has to stand between two. */
  #ends(end: string, isFirst: boolean): boolean {
    if (this.#next() === end) {
      this.#at++;
      return true;
    }
    if (!isFirst) this.#take(',', ` or ${end}`);
    return false;
  }

  #scalar(problem: string): unknown {
    SCALAR.lastIndex = this.#at;
    const found = SCALAR.exec(this.#text)?.[0];
    try {
      if (found === undefined) return this.#fail(problem);
      const value: unknown = JSON.parse(found);
      this.#at += found.length;
      return value;
    } catch {
      return this.#fail(problem);
    }
  }

  #take(sign: string, others = ''): void {
    if (this.#next() !== sign) this.#fail(`${sign}${others} is missing`);
    this.#at++;
  }

  /** The next character that is no blank; empty at the end. */
  #next(): string {
    BLANK.lastIndex = this.#at;
    this.#at += BLANK.exec(this.#text)?.[0].length ?? 0;
    return this.#text[this.#at] ?? '';
  }

  #line(): number {
    const passed = this.#text.slice(this.#counted.at, this.#at).split('\n').length - 1;
    this.#counted = { at: this.#at, line: this.#counted.line + passed };
    return this.#counted.line;
  }

  #fail(problem: string): never {
    throw new JsonError(problem, this.#line());
  }
}

function nameOf(path: readonly PropertyKey[]): string {
  return JSON.stringify(path);
}
