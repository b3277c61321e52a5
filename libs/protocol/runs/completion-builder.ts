import type { ChatChunk, CompletionUsage } from '../openai/chat-chunk.ts';
import type { LogOp } from './run-log.ts';

/** Assembles the operations of a stream into the completion that the engine would have sent without `stream`. */
export class CompletionBuilder {
  #text = '';
  #reasoning = '';
  readonly #calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
  #at = new Map<number, number>();
  #finish: string | null = null;
  #usage: CompletionUsage | null = null;

  add(op: LogOp): void {
    if (op[0] === 't') this.#text += op[1];
    else if (op[0] === 'r') this.#reasoning += op[1];
    else if (op[0] === 'f') this.#finish = op[1];
    else if (op[0] === 'u') this.#usage = op[1];
    else this.#addCall(op);
  }

  #addCall([, index, id, name, args]: Extract<LogOp, readonly ['c', ...unknown[]]>): void {
    const known = this.#calls[this.#at.get(index) ?? -1];
    if (known !== undefined && (id === null || id === known.id)) {
      known.function.arguments += args;
      return;
    }
    this.#at.set(index, this.#calls.length);
    this.#calls.push({ id: id ?? '', type: 'function', function: { name: name ?? '', arguments: args } });
  }

  get finishReason(): string | null {
    return this.#finish;
  }

  get completion(): ChatChunk {
    const message = {
      role: 'assistant',
      content: this.#text === '' && this.#calls.length > 0 ? null : this.#text,
      refusal: null,
      ...(this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning }),
      ...(this.#calls.length > 0 ? { tool_calls: this.#calls } : {}),
    };
    const choice = { index: 0, message, logprobs: null, finish_reason: this.#finish };
    return { choices: [choice], usage: this.#usage };
  }
}
