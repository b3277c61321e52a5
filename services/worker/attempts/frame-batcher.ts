/**
 * Everything on its way to ingress nodes. What is ready for one ingress in one tick goes out as one packet, so that bus
 * traffic follows ticks, not tokens. `urgent` flushes in the same turn of the event loop: a first token never waits.
 */
import { encodePacket, type Frame, type Quote } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { ReplyBus } from '@penstock/transport';

/** Somebody with frames to send; asked for them when a packet is made. */
export interface FrameSource {
  readonly ingressId: string;
  /** Appends the frames that are ready. */
  takeFrames(into: Frame[]): void;
}

export class Outbox {
  readonly #bus: ReplyBus;
  readonly #worker: string;
  readonly #tickMs: number;
  readonly #quote: () => Quote;
  readonly #log: Logger;
  readonly #ready = new Map<string, Set<FrameSource>>();
  #tick: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;

  constructor(bus: ReplyBus, worker: string, tickMs: number, quote: () => Quote, log: Logger) {
    this.#bus = bus;
    this.#quote = quote;
    this.#worker = worker;
    this.#tickMs = tickMs;
    this.#log = log;
  }

  /** Says that `source` has frames. */
  add(source: FrameSource, urgent: boolean): void {
    const sources = this.#ready.get(source.ingressId);
    if (sources === undefined) this.#ready.set(source.ingressId, new Set([source]));
    else sources.add(source);
    if (urgent) this.#immediate ??= setImmediate(() => this.flush());
    else this.#tick ??= setTimeout(() => this.flush(), this.#tickMs);
  }

  flush(): void {
    if (this.#tick !== null) clearTimeout(this.#tick);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#tick = null;
    this.#immediate = null;
    for (const [ingressId, sources] of this.#ready) {
      const frames: Frame[] = [];
      for (const source of sources) source.takeFrames(frames);
      if (frames.length === 0) continue;
      this.#bus.publish(ingressId, encodePacket(this.#worker, this.#quote(), frames)).catch((err: Error) => {
        this.#log.error({ err, ingressId }, 'reply packet lost');
      });
    }
    this.#ready.clear();
  }
}
