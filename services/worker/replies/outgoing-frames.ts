/** What one attempt has said and not sent yet, as frames: as much of it as there is room for. */
import type { Frame, FrameKind } from '@penstock/protocol';

/** What a frame says, and about whom. */
export type Said = Pick<Frame, 'body' | 'kind' | 'meta'>;
export type Sender = Pick<Frame, 'attempt' | 'id' | 'nonce'>;

const NO_BYTES = Buffer.alloc(0);

export class OutgoingFrames {
  readonly #sender: Sender;
  #seq = 0;
  /** Said before anything else; null once it was. */
  #accepted: Said | null;
  #events: Buffer[] = [];
  #final: Said | null = null;
  /** A body of which the beginning may have been sent. */
  #rest: Said | null = null;

  /** @param accepted meta of the first frame. */
  constructor(sender: Sender, accepted: object) {
    this.#sender = sender;
    this.#accepted = { kind: 'accepted', meta: JSON.stringify(accepted), body: NO_BYTES };
  }

  /** Of bodies. */
  get waitingBytes(): number {
    let bytes = (this.#rest?.body.length ?? 0) + (this.#final?.body.length ?? 0);
    for (const events of this.#events) bytes += events.length;
    return bytes;
  }

  /** @param events whole ones. */
  add(events: Buffer): void {
    this.#events.push(events);
  }

  /** Nothing follows. */
  end(final: Said): void {
    this.#final = final;
  }

  /** Nothing of what waits is sent. */
  clear(): void {
    this.#accepted = this.#rest = this.#final = null;
    this.#events = [];
  }

  /**
   * Appends the next frames. One that does not fit is begun with a part of its body.
   * @param room for bodies, bytes. @returns whether there are more.
   */
  take(into: Frame[], room: number): boolean {
    let left = room;
    for (let next = this.#next(); next !== null; next = this.#next()) {
      if (next.body.length > left) {
        if (left > 0) into.push(this.#frame('part', '', next.body.subarray(0, left)));
        this.#rest = { ...next, body: next.body.subarray(left) };
        return true;
      }
      left -= next.body.length;
      into.push(this.#frame(next.kind, next.meta, next.body));
    }
    return false;
  }

  #next(): Said | null {
    if (this.#accepted !== null) {
      const accepted = this.#accepted;
      this.#accepted = null;
      return accepted;
    }
    if (this.#rest !== null) {
      const rest = this.#rest;
      this.#rest = null;
      return rest;
    }
    const events = this.#events.length === 1 ? (this.#events[0] ?? NO_BYTES) : Buffer.concat(this.#events);
    this.#events = [];
    if (events.length > 0 && this.#final?.kind !== 'end') return { kind: 'events', meta: '', body: events };
    const final = this.#final;
    this.#final = null;
    return final?.kind === 'end' ? { ...final, body: events } : final;
  }

  #frame(kind: FrameKind, meta: string, body: Buffer): Frame {
    return { ...this.#sender, seq: this.#seq++, kind, meta, body };
  }
}
