/**
 * The reply of a chat completion that is stored or names its tier: the engine's answer, with our id where it can be asked
 * for again, and the tier it was run as. Other answers pass untouched.
 */
import {
  type ChatChunk,
  ChoicesBuilder,
  type DispatchError,
  eventData,
  type ResultMeta,
  readChunk,
} from '@penstock/protocol';
import type { ReplySink, Served } from './reply-sink.ts';

export interface ChatReplyOptions {
  readonly tier: string;
  /** Set for a completion that is stored. */
  readonly stored: {
    readonly id: string;
    readonly metadata: object;
    /** The client gets the end when it is stored. */
    readonly keep: (completion: object) => Promise<void>;
  } | null;
}

/** Rewrites each chunk of a chat stream. @throws if the engine's events cannot be read. */
export function rewriteEvents(events: Buffer, dress: (chunk: Answer) => object): Buffer {
  let out = '';
  for (const data of eventData(events.toString('utf8'))) {
    const shown = data === '[DONE]' ? data : JSON.stringify(dress(readChunk(data) as Answer));
    out += `data: ${shown}\n\n`;
  }
  return Buffer.from(out);
}

type Answer = Record<string, unknown> & { choices?: NonNullable<ChatChunk['choices']>; usage?: unknown };

export class ChatReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #o: ChatReplyOptions;
  readonly #choices = new ChoicesBuilder();
  #head: Answer = {};

  constructor(to: ReplySink, options: ChatReplyOptions) {
    this.#to = to;
    this.#o = options;
  }

  events(bytes: Buffer, served: Served): void {
    this.#to.events(this.#rewrite(bytes), served);
  }

  end(bytes: Buffer, served: Served | null): void {
    const events = this.#rewrite(bytes);
    void this.#keep(this.#gathered()).then(() => this.#to.end(events, served));
  }

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    if (meta.status !== 200) return this.#to.result(meta, body, served);
    const { stored } = this.#o;
    const answer = this.#dress(readChunk(body.toString('utf8')) as Answer);
    const shown = stored === null ? answer : { ...answer, metadata: stored.metadata };
    void this.#keep(answer).then(() => this.#to.result(meta, Buffer.from(JSON.stringify(shown)), served));
  }

  error(error: DispatchError, served: Served | null): void {
    this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }

  async #keep(completion: object): Promise<void> {
    await this.#o.stored?.keep(completion);
  }

  #dress(answer: Answer): Answer {
    const id = this.#o.stored === null ? {} : { id: this.#o.stored.id };
    return { ...answer, ...id, service_tier: this.#o.tier };
  }

  /** @throws where the engine's events cannot be read. */
  #rewrite(events: Buffer): Buffer {
    return rewriteEvents(events, engines => {
      const chunk = this.#dress(engines);
      this.#gather(chunk);
      return chunk;
    });
  }

  #gather(chunk: Answer): void {
    if (this.#o.stored === null) return;
    if (chunk.usage) this.#head = { ...this.#head, usage: chunk.usage };
    else if (this.#head['id'] === undefined) this.#head = { ...chunk, ...this.#head };
    this.#choices.add(chunk);
  }

  /** The stream as the completion it would have been. */
  #gathered(): object {
    const { id, created, model, usage } = this.#head;
    return {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: this.#choices.choices,
      usage: usage ?? null,
    };
  }
}
