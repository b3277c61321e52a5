/**
 * Packets that are sent no faster than their ingress reads: those of long answers. One that there is no room for waits here, and
 * what is published otherwise, such as first tokens, goes before it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusal } from '../connection/refusal.ts';

/** Before Redis is asked again whether there is room, ms: doubled each time, up to the second one. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** An ingress that reads nothing for so long gets no more of the answer, ms. */
const PATIENCE_MS = 15_000;

/** What an ingress has to read. */
export interface Backlog {
  /** Bytes that it has read: rises as long as it lives. */
  readonly read: number;
  readonly unread: number;
}

export interface PacedRepliesOptions {
  /** Refused where there is no room. */
  readonly send: (ingressId: string, packet: Buffer) => Promise<unknown>;
  readonly backlog: (ingressId: string) => Promise<Backlog>;
  /** Whether something that was published before has yet to be sent. */
  readonly isHeldUp: (ingressId: string) => boolean;
  readonly windowBytes: number;
  /** For tests. */
  readonly pause?: (ms: number) => Promise<unknown>;
  /** Monotonic ms; for tests. */
  readonly now?: () => number;
}

export class PacedReplies {
  readonly #o: PacedRepliesOptions;
  readonly #pause: (ms: number) => Promise<unknown>;
  readonly #now: () => number;
  #isClosed = false;

  constructor(options: PacedRepliesOptions) {
    this.#o = options;
    this.#pause = options.pause ?? (ms => sleep(ms, null, { ref: false }));
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Resolves once Redis has the packet. Packets of one ingress keep their order only where each is awaited before the next.
   * @throws where it is closed meanwhile, or the ingress reads nothing.
   */
  async publish(ingressId: string, packet: Buffer): Promise<void> {
    const { send, isHeldUp } = this.#o;
    const progress = { read: -1, at: this.#now() };
    let pauseMs = FIRST_PAUSE_MS;
    let mayHaveRoom = !isHeldUp(ingressId);
    for (;;) {
      if (mayHaveRoom)
        try {
          await send(ingressId, packet);
          return;
        } catch (err) {
          if (!isRefusal(err)) throw err;
        }
      await this.#pause(pauseMs);
      if (this.#isClosed) throw new Error('the connection to Redis was closed');
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      mayHaveRoom = !isHeldUp(ingressId) && (await this.#hasRoom(ingressId, packet, progress));
      if (this.#now() - progress.at > PATIENCE_MS) throw new Error('the ingress reads nothing');
    }
  }

  /** What waits is lost. */
  close(): void {
    this.#isClosed = true;
  }

  async #hasRoom(
    ingressId: string,
    packet: Buffer,
    progress: { read: number; at: number },
  ): Promise<boolean> {
    try {
      const { read, unread } = await this.#o.backlog(ingressId);
      if (read !== progress.read) Object.assign(progress, { read, at: this.#now() });
      return unread === 0 || unread + packet.length <= this.#o.windowBytes;
    } catch (err) {
      if (!isRefusal(err)) throw err;
      return false;
    }
  }
}
