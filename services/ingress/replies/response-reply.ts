/** The reply of a foreground response: the engine's chat completion on its way to the client becomes a response. */
import {
  ChunkReader,
  type Completion,
  type DispatchError,
  type ErrorBody,
  eventData,
  failureOf,
  type LogOp,
  opsOfCompletion,
  type ResponseBase,
  ResponseStream,
  type ResultMeta,
  readChunk,
} from '@penstock/protocol';
import type { ReplySink, Served } from './reply-sink.ts';

/** Stores what the client got, for later; called once, when it is whole. The client gets the end when it is stored. */
export type Keep = (completion: Completion, ops: readonly LogOp[], isCut: boolean) => Promise<void>;

export class ResponseReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #stream: ResponseStream;
  readonly #keep: Keep;
  readonly #now: () => number;
  readonly #reader = new ChunkReader();
  /** What the events are derived from, so that they can be derived again. */
  readonly #ops: LogOp[] = [];
  #begun = false;

  /** @param now Unix ms. */
  constructor(to: ReplySink, base: ResponseBase, keep: Keep, now: () => number) {
    this.#now = now;
    this.#to = to;
    this.#stream = new ResponseStream(base);
    this.#keep = keep;
  }

  events(bytes: Buffer, served: Served): void {
    this.#to.events(Buffer.from(this.#eventsOf(bytes)), served);
  }

  end(bytes: Buffer, served: Served | null): void {
    const last = this.#eventsOf(bytes);
    const end = Buffer.from(last + this.#stream.end(this.#nowS()));
    void this.#kept().then(() => this.#to.end(end, served));
  }

  /** @throws where the engine's events cannot be read; then none of them reaches the client. */
  #eventsOf(bytes: Buffer): string {
    const ops = [...eventData(bytes.toString('utf8'))].flatMap(data =>
      data === '[DONE]' ? [] : this.#reader.read(readChunk(data)),
    );
    const begin = this.#begun ? '' : this.#stream.created() + this.#stream.inProgress();
    this.#begun = true;
    return begin + this.#push(ops);
  }

  #push(ops: readonly LogOp[]): string {
    this.#ops.push(...ops);
    return this.#stream.add(ops);
  }

  #kept(): Promise<void> {
    return this.#keep(this.#stream.completion, this.#ops, this.#stream.finalStatus === 'incomplete');
  }

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    if (meta.status !== 200) return this.#refused(meta, body, served);
    this.#push(opsOfCompletion(readChunk(body.toString('utf8'))));
    this.#stream.end(this.#nowS());
    const response = this.#stream.object(this.#stream.finalStatus, { completedAt: this.#nowS() });
    const bytes = Buffer.from(JSON.stringify(response));
    void this.#kept().then(() => this.#to.result(meta, bytes, served));
  }

  #refused(meta: ResultMeta, body: Buffer, served: Served): void {
    if (!this.#begun) return this.#to.result(meta, body, served);
    const { error } = JSON.parse(body.toString('utf8')) as ErrorBody;
    const failure = failureOf(meta.status, error.message, error.code);
    this.#to.end(Buffer.from(this.#stream.failed(failure)), served);
  }

  error(error: DispatchError, served: Served | null): void {
    // Once events have gone out, a failed generation is an event too: a top-level error would hide the response.
    if (this.#begun)
      this.#to.end(Buffer.from(this.#stream.failed(failureOf(error.status, error.message))), served);
    else this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }

  #nowS(): number {
    return Math.floor(this.#now() / 1000);
  }
}
