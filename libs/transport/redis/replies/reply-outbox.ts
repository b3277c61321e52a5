/**
 * Packets that Redis refuses, kept and sent again: for want of memory, while it loads its data or is a replica, for a command that it
 * does not allow just now. What is lost in its place would leave a request without its end. Packets of one ingress keep their order,
 * but for those that were on their way while an earlier one was refused: their reader finds a gap, and its request runs again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusal } from '../connection/refusal.ts';

/** Before a refused packet is sent again, ms: doubled each time, up to the second one. */
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1000;
/** Of all packets that are kept. Past this, those that are refused are lost: the worker took nothing new long before. */
const MOST_KEPT_BYTES = 256 * 1024 * 1024;

interface Kept {
  /** Place in the order of publication. */
  readonly number: number;
  readonly packet: Buffer;
  readonly resolve: () => void;
  readonly reject: (err: Error) => void;
}

export interface ReplyOutboxOptions {
  readonly send: (ingressId: string, packet: Buffer) => Promise<unknown>;
  readonly mostKeptBytes?: number;
  /** For tests. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

export class ReplyOutbox {
  readonly #send: ReplyOutboxOptions['send'];
  readonly #mostKeptBytes: number;
  readonly #pause: (ms: number) => Promise<unknown>;
  /** By ingress, in the order of publication. */
  readonly #kept = new Map<string, Kept[]>();
  #keptBytes = 0;
  #published = 0;
  #isClosed = false;

  constructor({
    send,
    mostKeptBytes = MOST_KEPT_BYTES,
    pause = ms => sleep(ms, null, { ref: false }),
  }: ReplyOutboxOptions) {
    this.#send = send;
    this.#mostKeptBytes = mostKeptBytes;
    this.#pause = pause;
  }

  /** Whether packets for the ingress were refused and have yet to be sent. */
  keeps(ingressId: string): boolean {
    return this.#kept.has(ingressId);
  }

  /** Resolves once Redis has the packet. @throws where it is closed meanwhile, or too much is kept. */
  async publish(ingressId: string, packet: Buffer): Promise<void> {
    const number = this.#published++;
    const kept = this.#kept.get(ingressId);
    if (kept !== undefined) return this.#keep(kept, number, packet);
    try {
      await this.#send(ingressId, packet);
    } catch (err) {
      if (!isRefusal(err) || this.#isClosed) throw err;
      await this.#keep(this.#keptFor(ingressId), number, packet, err as Error);
    }
  }

  /** What is kept is lost. */
  close(): void {
    this.#isClosed = true;
    for (const kept of this.#kept.values())
      for (const each of kept.splice(0)) each.reject(new Error('the connection to Redis was closed'));
    this.#kept.clear();
  }

  #keptFor(ingressId: string): Kept[] {
    const known = this.#kept.get(ingressId);
    if (known !== undefined) return known;
    const kept: Kept[] = [];
    this.#kept.set(ingressId, kept);
    void this.#sendAgain(ingressId, kept);
    return kept;
  }

  #keep(kept: Kept[], number: number, packet: Buffer, refusal?: Error): Promise<void> {
    if (this.#keptBytes + packet.length > this.#mostKeptBytes)
      return Promise.reject(refusal ?? new Error('too many packets wait that Redis refused'));
    this.#keptBytes += packet.length;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // What was published later may have been kept sooner.
    const place = kept.findLastIndex(each => each.number < number) + 1;
    kept.splice(place, 0, { number, packet, resolve, reject });
    return promise.finally(() => {
      this.#keptBytes -= packet.length;
    });
  }

  /** Until nothing is kept for the ingress. */
  async #sendAgain(ingressId: string, kept: Kept[]): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    await this.#pause(pauseMs);
    for (let first = kept[0]; first !== undefined; first = kept[0]) {
      try {
        await this.#send(ingressId, first.packet);
        pauseMs = FIRST_PAUSE_MS;
      } catch (err) {
        if (this.#isClosed) return;
        if (isRefusal(err)) {
          await this.#pause(pauseMs);
          pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
          continue;
        }
        first.reject(err as Error);
      }
      kept.splice(kept.indexOf(first), 1);
      first.resolve();
    }
    this.#kept.delete(ingressId);
  }
}
