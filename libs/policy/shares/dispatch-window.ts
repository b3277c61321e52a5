/**
 * How much an ingress has on the way to engines: on the queue, or at a worker whose engine has not begun to answer. What is there is served in
 * no order of ours, so it should be little; but never so little that an engine with room finds nothing. It is
 * - a request for each worker, and some beside; more where engines compute many side by side ({@link WindowGain});
 * - what is begun while the ingress hears of it and sends more; and
 * - what the fleet would begin at once, as far as is known ({@link startsNow}), as long as nothing is on its way for long.
 * That an engine has room shows by what it begins. Quotes of workers may be wrong, so they only ever let more through.
 */
import { Pace } from './pace.ts';

/** From when an engine begins a request until another one has come to it, several times over: a busy process takes longer, s. */
export const WAY_S = 0.25;
/** What is on its way for longer is not taken, whatever workers last said of their room, ms. */
const BACKLOG_MS = 2000 * WAY_S;
/** What is on its way for longer keeps nothing else back: an engine may compute others beside it, ms. */
const STUCK_MS = 3000;
/** For each worker: with one, engines that finish a prompt early have to wait for the next (a tenth of the pace, simulated). */
const TIMES_WORKERS = 1.25;
/** The fewest that all nodes have on the way together. */
const LEAST = 2;
const PACE_OVER_S = 1;
/** Time over which a node's share of what is begun is averaged, ms. */
const SHARE_OVER_MS = 3000;

/** What a window is made for. */
export interface WindowOf {
  /** ms. */
  readonly now: number;
  readonly workers: number;
  /** Of them, what is for this kind of requests beside others, 0–1. */
  readonly part: number;
  /** Of that, what this node may keep busy beside others, 0–1. */
  readonly share: number;
  /** What other nodes have on the way, and what of theirs is begun in a second. */
  readonly elsewhere: number;
  readonly paceElsewhere: number;
  /** See {@link WindowGain}. */
  readonly gain: number;
}

export class DispatchWindow<T> {
  /** Since when each is on its way, ms; oldest first. */
  readonly #open = new Map<T, number>();
  readonly #pace = new Pace(PACE_OVER_S);
  #share = 1;
  #sharedAt = 0;
  #begunAt = 0;
  /** How long the one begun last was on its way, ms. */
  #tookMs = 0;

  /** On the way, and begun by no engine. */
  get size(): number {
    return this.#open.size;
  }

  /** What is on its way, oldest first. */
  items(): Iterable<T> {
    return this.#open.keys();
  }

  /** How many are begun in a second lately. */
  perSecond(now: number): number {
    return this.#pace.perSecond(now);
  }

  sent(item: T, now: number): void {
    this.#open.set(item, now);
  }

  /** The first of its answer has come. @returns how long it was on its way, ms; null where it was not. */
  begun(item: T, now: number): number | null {
    const sentAt = this.#open.get(item);
    if (sentAt === undefined) return null;
    this.#open.delete(item);
    this.#begunAt = now;
    this.#tookMs = now - sentAt;
    this.#pace.add(1, now);
    return this.#tookMs;
  }

  /** It is over, and never was begun. */
  left(item: T): void {
    this.#open.delete(item);
  }

  /** Whether another one may go. @param starts see {@link startsNow}; asked only where it counts. */
  hasRoom(of: WindowOf, starts: () => number): boolean {
    const { now } = of;
    const pace = this.#lastingShare(of) * (this.perSecond(now) + of.paceElsewhere);
    const most = partOf(of) + WAY_S * pace;
    // Of many nodes each has less than one on the way: one at a time, with a pause.
    if (most < 1) return this.#open.size === 0 && now >= this.#begunAt + (1 / most - 1) * this.#tookMs;
    if (this.#open.size < most) return true;
    const [oldest = now] = this.#open.values();
    if (now - oldest <= BACKLOG_MS) return this.#open.size < most + starts();
    return this.#fresh(now) < most;
  }

  /** What is begun at all nodes is each one's by its share: did a node go by what it begins itself, whoever begins much would go on so. Slowly, for shares change with each request that waits. */
  #lastingShare({ share, now }: WindowOf): number {
    const isNew = this.#share === 1 || share === 1;
    const weight = isNew ? 1 : 1 - Math.exp((this.#sharedAt - now) / SHARE_OVER_MS);
    this.#share += weight * (share - this.#share);
    this.#sharedAt = now;
    return this.#share;
  }

  #fresh(now: number): number {
    let stuck = 0;
    for (const at of this.#open.values()) {
      if (now - at <= STUCK_MS) break;
      stuck++;
    }
    return this.#open.size - stuck;
  }
}

/** Beside what waits elsewhere a node has its share. What others do not use of theirs it takes, and never leaves less than half of its own to them. */
function partOf({ workers, part, share, elsewhere, gain }: WindowOf): number {
  const least = Math.max(LEAST, TIMES_WORKERS * workers) * part;
  // Enlarged in whole requests, so that also what is small grows by as much.
  const all = gain === 1 ? least : gain * Math.ceil(least);
  const own = share * all;
  return Math.max(own / 2, Math.min(own, all - elsewhere));
}

/** What is known of a worker's room. */
export interface RoomOfWorker {
  readonly slots: number;
  readonly running: number;
  /** Wait before a new prompt's prefill would begin, s. */
  readonly waitS: number;
  /** 0 where nothing is known. */
  readonly tokensPerSec: number;
}

/** Requests of that size that a worker would begin at once: no more than it has slots for, and computes meanwhile. */
export function startsNow(
  { slots, running, waitS, tokensPerSec }: RoomOfWorker,
  promptTokens: number,
): number {
  const free = Math.max(0, slots - running);
  if (tokensPerSec === 0) return free;
  return Math.min(free, Math.ceil((Math.max(0, WAY_S - waitS) * tokensPerSec) / Math.max(1, promptTokens)));
}
