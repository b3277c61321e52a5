/** An event stream to one reader with back pressure: nothing more is read for it until it has taken what was sent. */
import type { FastifyReply } from 'fastify';
import type { AnswerRoom } from './answer-room.ts';
import { AnswerWriter } from './answer-writer.ts';

export class EventStream {
  readonly #raw: FastifyReply['raw'];
  readonly #writer: AnswerWriter;
  readonly #keepAliveMs: number;
  #lastWriteAt = performance.now();

  /** Takes the reply over and sends the headers. */
  constructor(
    reply: FastifyReply,
    room: AnswerRoom,
    keepAliveMs: number,
    headers: Record<string, string | number>,
  ) {
    reply.hijack();
    this.#raw = reply.raw;
    this.#writer = new AnswerWriter(reply.raw);
    room.of(reply.raw, reply.request.tenant).writing(() => this.#writer.heldBytes);
    this.#keepAliveMs = keepAliveMs;
    this.#raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      ...headers,
    });
    // Sent at once: proxies and Node's fetch give up if headers do not arrive.
    this.#raw.flushHeaders();
  }

  /** The reader has left. */
  get isGone(): boolean {
    return this.#raw.destroyed;
  }

  /** Resolves when the reader has taken enough of it to be sent more. */
  async write(text: string | Buffer): Promise<void> {
    if (text.length === 0) return this.#keepAlive();
    if (this.isGone) return;
    this.#lastWriteAt = performance.now();
    this.#writer.write(typeof text === 'string' ? Buffer.from(text) : text);
    while (this.#writer.needsDrain && !this.isGone) await this.#drained();
  }

  async #keepAlive(): Promise<void> {
    if (performance.now() - this.#lastWriteAt >= this.#keepAliveMs) await this.write(': waiting\n\n');
  }

  #drained(): Promise<void> {
    return new Promise(resolve => {
      const go = () => {
        this.#raw.off('drain', go);
        this.#raw.off('close', go);
        resolve();
      };
      this.#raw.on('drain', go);
      this.#raw.on('close', go);
    });
  }

  end(): void {
    this.#raw.end();
  }

  /** Breaks the connection off: a clean end would look like a whole answer. */
  cut(): void {
    this.#raw.destroy();
  }
}
