/**
 * Frames on their way to ingress nodes. What is ready for one ingress within a tick goes out as one packet, so that traffic on
 * the reply bus follows ticks, not tokens. Urgent frames are flushed in the same turn of the event loop: a first token never
 * waits.
 */
import { encodePacket, type Frame, type Quote } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { ReplyBus } from '@penstock/transport';

/** Has frames to send, and is asked for them when a packet is made. */
export interface FrameSource {
  readonly ingressId: string;
  /** Appends the frames that are ready. */
  takeFrames(into: Frame[]): void;
}

export interface FrameBatcherOptions {
  readonly bus: Pick<ReplyBus, 'publish'>;
  readonly worker: string;
  readonly tickMs: number;
  /** The worker's quote, which every packet carries. */
  readonly quote: () => Quote;
  readonly log: Logger;
}

export class FrameBatcher {
  readonly #o: FrameBatcherOptions;
  /** Sources with frames, by ingress. */
  readonly #ready = new Map<string, Set<FrameSource>>();
  #tick: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;

  constructor(options: FrameBatcherOptions) {
    this.#o = options;
  }

  /** The source has frames. */
  add(source: FrameSource, urgent: boolean): void {
    const sources = this.#ready.get(source.ingressId);
    if (sources === undefined) this.#ready.set(source.ingressId, new Set([source]));
    else sources.add(source);
    if (urgent) this.#immediate ??= setImmediate(() => this.flush());
    else this.#tick ??= setTimeout(() => this.flush(), this.#o.tickMs);
  }

  flush(): void {
    if (this.#tick !== null) clearTimeout(this.#tick);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#tick = null;
    this.#immediate = null;
    const { bus, worker, quote, log } = this.#o;
    for (const [ingressId, sources] of this.#ready) {
      const frames: Frame[] = [];
      for (const source of sources) source.takeFrames(frames);
      if (frames.length === 0) continue;
      bus.publish(ingressId, encodePacket(worker, quote(), frames)).catch((err: Error) => {
        log.error({ err, ingressId }, 'reply packet lost');
      });
    }
    this.#ready.clear();
  }
}
