/** Lines for whoever watches. A line that many VUs would say is said once and counted. */
export interface LogWriter {
  write(text: string): void;
}

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

  /** @returns whether it was the first time. */
  once(level: 'WARN' | 'ERRO', text: string): boolean {
    const before = this.#said.get(text) ?? 0;
    this.#said.set(text, before + 1);
    this.#first[level] ??= text;
    if (before === 0) this.line(level, text);
    return before === 0;
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
