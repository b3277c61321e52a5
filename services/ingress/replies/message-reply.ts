/** The reply to a request of Anthropic's Messages API: the engine's chat completion on its way to the client becomes a message. */
import {
  type ChatChunk,
  ChunkReader,
  type DispatchError,
  type ErrorBody,
  eventData,
  type MessageBase,
  MessageStream,
  opsOfCompletion,
  type ResultMeta,
  readChunk,
  toAnthropicError,
} from '@penstock/protocol';
import type { ReplySink, Served } from './reply-sink.ts';

/** An engine's refusal in the shape of Anthropic's API. */
function refusal({ status }: ResultMeta, body: Buffer, requestId: string): Buffer {
  const { error } = JSON.parse(body.toString('utf8')) as ErrorBody;
  return Buffer.from(JSON.stringify(toAnthropicError(status, error.message, requestId)));
}

/** Of an engine that speaks Anthropic's API itself: only its errors were read on the way. */
export class PassedMessageReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #requestId: string;

  constructor(to: ReplySink, requestId: string) {
    this.#to = to;
    this.#requestId = requestId;
  }

  events(bytes: Buffer, served: Served): void {
    this.#to.events(bytes, served);
  }

  end(bytes: Buffer, served: Served | null): void {
    this.#to.end(bytes, served);
  }

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    this.#to.result(meta, meta.status === 200 ? body : refusal(meta, body, this.#requestId), served);
  }

  error(error: DispatchError, served: Served | null): void {
    this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }
}

export class MessageReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #stream: MessageStream;
  readonly #stops: readonly string[];
  /** As headers have it. */
  readonly #requestId: string;
  readonly #reader = new ChunkReader();
  #begun = false;

  /** @param stops the client's stop sequences. */
  constructor(to: ReplySink, base: MessageBase, stops: readonly string[], requestId: string) {
    this.#to = to;
    this.#stream = new MessageStream(base);
    this.#stops = stops;
    this.#requestId = requestId;
  }

  events(bytes: Buffer, served: Served): void {
    this.#to.events(Buffer.from(this.#tell(bytes)), served);
  }

  end(bytes: Buffer, served: Served | null): void {
    const told = this.#tell(bytes);
    const rest = this.#stream.add(this.#reader.flush());
    this.#to.end(Buffer.from(told + rest + this.#stream.end()), served);
  }

  /** @throws where the engine's events cannot be read; then none of them reaches the client. */
  #tell(bytes: Buffer): string {
    const chunks = [...eventData(bytes.toString('utf8'))].flatMap(data =>
      data === '[DONE]' ? [] : [readChunk(data)],
    );
    let told = this.#begun ? '' : this.#stream.begin();
    this.#begun = true;
    for (const chunk of chunks) told += this.#stream.add(this.#reader.read(chunk), this.#stopIn(chunk));
    return told;
  }

  /** vLLM says `stop_reason`, SGLang `matched_stop`: the text, or the id of a token. */
  #stopIn(chunk: ChatChunk): string | null {
    const { stop_reason: vllm, matched_stop: sglang } = (chunk.choices?.[0] ?? {}) as Record<string, unknown>;
    const matched = [vllm, sglang].find(stop => typeof stop === 'string' && this.#stops.includes(stop));
    return (matched as string | undefined) ?? null;
  }

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    if (meta.status !== 200) return this.#to.result(meta, refusal(meta, body, this.#requestId), served);
    const completion = readChunk(body.toString('utf8'));
    this.#stream.add(opsOfCompletion(completion), this.#stopIn(completion));
    this.#stream.end();
    this.#to.result(meta, Buffer.from(JSON.stringify(this.#stream.message)), served);
  }

  error(error: DispatchError, served: Served | null): void {
    this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }
}
