/** The reply of a foreground response: the engine's chat completion on its way to the client becomes a response. */
import {
  type ChatChunk,
  type DispatchError,
  eventData,
  type ResponseBase,
  ResponseStream,
  type ResultMeta,
} from '@penstock/protocol';
import type { ReplySink, Served } from './open-request.ts';

export class ResponseReply implements ReplySink {
  readonly #to: ReplySink;
  readonly #stream: ResponseStream;
  /** Stores the completion for later; called once, when it is whole. */
  readonly #keep: (completion: ChatChunk) => void;
  #begun = false;

  constructor(to: ReplySink, base: ResponseBase, keep: (completion: ChatChunk) => void) {
    this.#to = to;
    this.#stream = new ResponseStream(base);
    this.#keep = keep;
  }

  events(bytes: Buffer, served: Served): void {
    this.#to.events(Buffer.from(this.#tell(bytes)), served);
  }

  end(bytes: Buffer, served: Served): void {
    const told = this.#tell(bytes);
    this.#keep(this.#stream.completion);
    this.#to.end(Buffer.from(told + this.#stream.end(nowS())), served);
  }

  #tell(bytes: Buffer): string {
    let out = this.#begun ? '' : this.#stream.created() + this.#stream.inProgress();
    this.#begun = true;
    for (const data of eventData(bytes.toString('utf8')))
      if (data !== '[DONE]') out += this.#stream.push(JSON.parse(data) as ChatChunk);
    return out;
  }

  result(meta: ResultMeta, body: Buffer, served: Served): void {
    if (meta.status !== 200) return this.#to.result(meta, body, served);
    this.#stream.push(JSON.parse(body.toString('utf8')) as ChatChunk);
    this.#stream.end(nowS());
    this.#keep(this.#stream.completion);
    const response = this.#stream.object(this.#stream.finalStatus, { completedAt: nowS() });
    this.#to.result(meta, Buffer.from(JSON.stringify(response)), served);
  }

  error(error: DispatchError, served: Served | null): void {
    // Once events have gone out, a failed generation is an event too: a top-level error would hide the response.
    if (this.#begun && served !== null) this.#to.end(Buffer.from(this.#stream.failed(error.message)), served);
    else this.#to.error(error, served);
  }

  waiting(waitedMs: number): void {
    this.#to.waiting(waitedMs);
  }
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
