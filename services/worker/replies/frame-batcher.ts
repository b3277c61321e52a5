/**
 * Frames on their way to ingress nodes. What is ready for one ingress within a tick goes out as one packet, so that traffic on
 * the reply bus follows ticks, not tokens. Urgent frames are flushed in the same turn of the event loop: a first token never
 * waits.
 *
 * What has more than its share of a packet is sent **in turns** from there on: a piece of each such answer, and the next once Redis has it and the
 * ingress has read most of what it was sent. Whatever else is ready goes out meanwhile, so a long answer delays nobody's tokens, and only little
 * of it is in Redis.
 */
import { encodePacket, type Frame, frameBytes, MAX_PACKET_BYTES, type Quote } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type { ReplyBus } from '@penstock/transport';

/** Of a packet that one source may take, bytes. */
const SHARE_BYTES = 64 * 1024;
/** Of frames, or of a long answer's body, in one packet: leaves room for what stands around them. */
const PACKET_ROOM_BYTES = MAX_PACKET_BYTES - 16 * 1024;

/** Has frames to send, and is asked for them when a packet is made. */
export interface FrameSource {
  readonly ingressId: string;
  /** Of frames that are ready. */
  readonly waitingBytes: number;
  /** Appends frames that are ready. @param room for their bodies, bytes. @returns whether there are more. */
  takeFrames(into: Frame[], room: number): boolean;
  /** Some of its frames got lost on the way. */
  lost(): void;
}

export interface FrameBatcherOptions {
  readonly bus: Pick<ReplyBus, 'publish' | 'publishPaced'>;
  readonly worker: string;
  /** A frame as it is sent. */
  readonly seal: (frame: Frame) => Frame;
  readonly tickMs: number;
  /** The worker's quote, which every packet carries. */
  readonly quote: () => Quote;
  readonly log: Logger;
}

export class FrameBatcher<Source extends FrameSource> {
  readonly #o: FrameBatcherOptions;
  /** Sources with frames, by ingress. */
  readonly #ready = new Map<string, Set<Source>>();
  /** Those that are sent in turns, by ingress. */
  readonly #long = new Map<string, Set<Source>>();
  #tick: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;

  constructor(options: FrameBatcherOptions) {
    this.#o = options;
  }

  /** Whose answers are being sent in turns. */
  get unsent(): Source[] {
    return [...this.#long.values()].flatMap(sources => [...sources]);
  }

  /** Of these answers. */
  get unsentBytes(): number {
    return this.unsent.reduce((bytes, source) => bytes + source.waitingBytes, 0);
  }

  /** The source has frames. */
  add(source: Source, urgent: boolean): void {
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
    for (const [ingressId, sources] of this.#ready) this.#flushTo(ingressId, sources);
    this.#ready.clear();
  }

  #flushTo(ingressId: string, sources: Iterable<Source>): void {
    const long = this.#long.get(ingressId) ?? new Set();
    let frames: Frame[] = [];
    let from: Source[] = [];
    let room = PACKET_ROOM_BYTES;
    const become: Source[] = [];
    for (const source of sources) {
      if (long.has(source)) continue;
      const { own, isMore } = this.#take(source, SHARE_BYTES);
      if (isMore) become.push(source);
      const bytes = own.reduce((sum, frame) => sum + frameBytes(frame), 0);
      if (bytes > room) {
        this.#publish(ingressId, frames, from);
        [frames, from, room] = [[], [], PACKET_ROOM_BYTES];
      }
      frames.push(...own);
      from.push(source);
      room -= bytes;
    }
    if (frames.length > 0) this.#publish(ingressId, frames, from);
    if (become.length === 0) return;
    for (const source of become) long.add(source);
    if (this.#long.has(ingressId)) return;
    this.#long.set(ingressId, long);
    void this.#sendInTurns(ingressId, long);
  }

  #publish(ingressId: string, frames: readonly Frame[], from: readonly Source[]): void {
    const { bus } = this.#o;
    bus.publish(ingressId, this.#packet(frames)).catch((err: Error) => this.#lose(ingressId, err, from));
  }

  /** Never rejects. A source leaves the turn when it has nothing more: what it says then is sent with the next tick. */
  async #sendInTurns(ingressId: string, sources: Set<Source>): Promise<void> {
    // Comes again to those that are put behind the others.
    for (const source of sources) {
      const { own: frames } = this.#take(source, PACKET_ROOM_BYTES);
      try {
        if (frames.length > 0) await this.#o.bus.publishPaced(ingressId, this.#packet(frames));
      } catch (err) {
        // What waits behind it would not get through either.
        this.#long.delete(ingressId);
        return this.#lose(ingressId, err as Error, [...sources]);
      }
      sources.delete(source);
      if (frames.length > 0) sources.add(source);
    }
    this.#long.delete(ingressId);
  }

  #take(source: Source, room: number): { readonly own: readonly Frame[]; readonly isMore: boolean } {
    const frames: Frame[] = [];
    const isMore = source.takeFrames(frames, room);
    return { own: frames.map(this.#o.seal), isMore };
  }

  #packet(frames: readonly Frame[]): Buffer {
    return encodePacket(this.#o.worker, this.#o.quote(), frames);
  }

  #lose(ingressId: string, err: Error, from: readonly Source[]): void {
    this.#o.log.error({ err, ingressId, requests: from.length }, 'reply packet lost');
    for (const source of from) source.lost();
  }
}
