/** Log lines for the user. A line that many VUs repeat is written once and counted. */
export interface LogWriter {
  write(text: string): void;
}

/** Different texts that are remembered; a script that puts an id into its errors must not fill the memory. */
const MAX_TEXTS = 1000;

export class RunLog {
  readonly #to: LogWriter;
  readonly #said = new Map<string, number>();
  readonly #first: { WARN?: string; ERRO?: string } = {};

  constructor(to: LogWriter) {
    this.#to = to;
  }

  line(level: 'INFO' | 'WARN' | 'ERRO' | 'DEBU', text: string): void {
    this.#to.write(`${level} ${text}\n`);
  }

  once(level: 'WARN' | 'ERRO', text: string): void {
    this.#first[level] ??= text;
    const before = this.#said.get(text);
    if (before !== undefined) {
      this.#said.set(text, before + 1);
      return;
    }
    if (this.#said.size >= MAX_TEXTS) return;
    this.#said.set(text, 1);
    this.line(level, text);
    if (this.#said.size === MAX_TEXTS)
      this.line('WARN', `after ${MAX_TEXTS} different messages no new ones are shown`);
  }

  /** The first text of that level that went through `once`. */
  first(level: 'WARN' | 'ERRO'): string {
    return this.#first[level] ?? '';
  }

  /** What was said more than once, with how often it happened. */
  repeated(): [string, number][] {
    return [...this.#said].filter(([, times]) => times > 1);
  }
}
