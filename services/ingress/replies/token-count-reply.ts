/**
 * The reply to a request for the number of its tokens (`/v1/messages/count_tokens`, `/v1/responses/input_tokens`): what an engine
 * counts or its tokenizer says; the estimate that dispatch goes by where it says nothing.
 */
import { type DispatchError, JSON_CONTENT_TYPE, type ResultMeta, readTokenCount } from '@penstock/protocol';
import type { ReplySink, Served } from './reply-sink.ts';

const OK: ResultMeta = { status: 200, contentType: JSON_CONTENT_TYPE };

export class TokenCountReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #estimate: number;
  readonly #shown: (tokens: number) => object;

  /** @param shown the answer that the API gives. */
  constructor(to: ReplySink, estimate: number, shown: (tokens: number) => object) {
    this.#to = to;
    this.#estimate = estimate;
    this.#shown = shown;
  }

  /** What is not streamed has no events. */
  events(): void {}
  end(): void {}

  /** Engines without a chat template, or with a tokenizer for plain text only, refuse. */
  result({ status }: ResultMeta, body: Buffer, served: Served | null): void {
    this.#tell(status === 200 ? readTokenCount(body) : null, served);
  }

  /** Of a request that no engine was asked for, what is wrong with it is said. */
  error(error: DispatchError, served: Served | null): void {
    if (served === null && error.status < 500) this.#to.error(error, served);
    else this.#tell(null, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }

  #tell(count: number | null, served: Served | null): void {
    this.#to.result(OK, Buffer.from(JSON.stringify(this.#shown(count ?? this.#estimate))), served);
  }
}
