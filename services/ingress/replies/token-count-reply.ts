/** The reply to `POST /v1/messages/count_tokens`, from what an engine counts or its tokenizer says; an estimate where it says nothing. */
import { type DispatchError, JSON_CONTENT_TYPE, type ResultMeta } from '@penstock/protocol';
import type { ReplySink, Served } from './reply-sink.ts';

const OK: ResultMeta = { status: 200, contentType: JSON_CONTENT_TYPE };

export class TokenCountReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #estimate: number;

  constructor(to: ReplySink, estimate: number) {
    this.#to = to;
    this.#estimate = estimate;
  }

  events(): void {}

  end(): void {}

  /** Engines without a chat template, or with a tokenizer for plain text only, refuse. */
  result({ status }: ResultMeta, body: Buffer, served: Served): void {
    this.#tell(status === 200 ? countIn(body) : null, served);
  }

  error(error: DispatchError, served: Served | null): void {
    if (served === null) this.#to.error(error, served);
    else this.#tell(null, served);
  }

  waiting(): void {}

  #tell(count: number | null, served: Served): void {
    const told = { input_tokens: count ?? this.#estimate };
    this.#to.result(OK, Buffer.from(JSON.stringify(told)), served);
  }
}

function countIn(body: Buffer): number | null {
  const { input_tokens: own, count, tokens } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  const counted = own ?? count;
  if (typeof counted === 'number') return counted;
  return Array.isArray(tokens) ? tokens.length : null;
}
