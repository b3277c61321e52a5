/**
 * Writes to one client in slices, the next once the last was taken: a large answer that is written at once would not show whether its reader
 * takes anything before it has taken everything.
 */
import type { ServerResponse } from 'node:http';

export const SLICE_BYTES = 64 * 1024;

export function* slicesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

export class AnswerWriter {
  readonly #raw: ServerResponse;
  /** Of the first, what comes before `#at` was written; it is in memory until its last slice is. */
  readonly #waiting: Buffer[] = [];
  #at = 0;
  #waitingBytes = 0;
  #isEnding = false;
  #isListening = false;

  constructor(raw: ServerResponse) {
    this.#raw = raw;
  }

  /** Not taken yet. */
  get unsentBytes(): number {
    return this.#waitingBytes - this.#at + this.#raw.writableLength;
  }

  /** In memory here: what was taken of a long write is, until the rest of it has been. */
  get heldBytes(): number {
    return Math.max(this.#waitingBytes, this.unsentBytes);
  }

  get needsDrain(): boolean {
    return this.#waiting.length > 0 || this.#raw.writableNeedDrain;
  }

  write(bytes: Buffer): void {
    if (this.#isShort(bytes)) this.#raw.write(bytes);
    else this.#queue(bytes);
  }

  /** Nothing follows. */
  end(bytes: Buffer): void {
    if (this.#isShort(bytes)) {
      this.#raw.end(bytes);
      return;
    }
    this.#isEnding = true;
    this.#queue(bytes);
  }

  #isShort(bytes: Buffer): boolean {
    return this.#waiting.length === 0 && bytes.length <= SLICE_BYTES;
  }

  #queue(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writeOn();
  }

  #writeOn(): void {
    const raw = this.#raw;
    for (let first = this.#waiting[0]; first !== undefined && !raw.destroyed; first = this.#waiting[0]) {
      if (raw.writableNeedDrain) return this.#onDrain();
      raw.write(first.subarray(this.#at, this.#at + SLICE_BYTES));
      this.#at += SLICE_BYTES;
      if (this.#at < first.length) continue;
      this.#waiting.shift();
      this.#waitingBytes -= first.length;
      this.#at = 0;
    }
    if (this.#isEnding) raw.end();
  }

  #onDrain(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#raw.once('drain', () => {
      this.#isListening = false;
      this.#writeOn();
    });
  }
}
