/**
 * The door of an ingress to the workers of a model: what finds few on the way to them goes at once, and the rest waits here, where owners are
 * served in shares ({@link FairQueue}) as engines begin what is there ({@link DispatchWindow}). The same for the product and the simulator.
 */
import { DispatchWindow } from './dispatch-window.ts';
import { type Claimant, FairQueue } from './fair-queue.ts';
import type { DoorTold, NodeShare, OwnersWaiting } from './node-shares.ts';
import { Pace } from './pace.ts';
import { WindowGain } from './window-gain.ts';

/** By how much an owner may get ahead of one that waits for other kinds of work: what is served in so long, s … */
const LEAD_S = 1;
/** … and no less than a few requests of the usual size cost. */
const LEAST_LEAD = 8192;
const PACE_OVER_S = 3;

/** What the door sees of the rest of the region. */
export interface DoorView<T> {
  /** ms. */
  readonly now: number;
  /** Of this node. */
  readonly node: NodeShare;
  /** Workers that take work. */
  readonly workers: number;
  /** How many such requests they would begin at once: see {@link startsNow}. */
  readonly starts: (item: T) => number;
}

/** How often a node looks for what time alone changes, ms. */
export const DOOR_LOOK_MS = 100;

export class FairDoor<T extends Claimant> {
  readonly waiting = new FairQueue<T>();
  readonly #pace = new Pace(PACE_OVER_S);
  readonly #gain = new WindowGain();
  readonly #windows = new Map<string, DispatchWindow<T>>();

  /** Nothing waits, and nothing is on its way. */
  get isIdle(): boolean {
    return this.waiting.kinds.length === 0 && [...this.#windows.values()].every(({ size }) => size === 0);
  }

  /** It waits from now on. */
  arrive(item: T): void {
    this.waiting.add(item);
  }

  /** Whether it goes now, for nothing waits that would come first. It has to wait where it does not: see {@link arrive}. */
  passes(item: T, view: DoorView<T>): boolean {
    if (this.waiting.size > 0) return false;
    if (!this.#hasRoom(item, 1, view)) return false;
    this.#gain.idle(view.now);
    this.#sent(this.#windowOf(item.kind), item, view.now);
    return true;
  }

  /** What goes now; null where the rest waits. Ask again until it is null, whenever anything has changed. */
  next(view: DoorView<T>): T | null {
    const { kinds } = this.waiting;
    if (kinds.length === 0) return null;
    const { now, node } = view;
    const lead = Math.max(LEAST_LEAD, LEAD_S * this.#pace.perSecond(now));
    for (const kind of kinds) {
      const first = this.waiting.first(kind, lead);
      if (first === null) continue;
      if (!this.#hasRoom(first, 1 / kinds.length, view)) continue;
      this.waiting.serve(first, node.parts.get(first.owner));
      this.#sent(this.#windowOf(kind), first, now);
      return first;
    }
    return null;
  }

  /** @param part of the workers that is for its kind beside others that wait, 0–1. */
  #hasRoom(item: T, part: number, view: DoorView<T>): boolean {
    const { now, workers, node } = view;
    const elsewhere = node.elsewhere.get(item.kind) ?? 0;
    const paceElsewhere = node.paceElsewhere.get(item.kind) ?? 0;
    const beside = { share: node.share, elsewhere, paceElsewhere };
    const of = { now, workers, part, ...beside, gain: this.#gain.value };
    return this.#windowOf(item.kind).hasRoom(of, () => view.starts(item));
  }

  #sent(window: DispatchWindow<T>, item: T, now: number): void {
    this.#pace.add(item.cost / item.weight, now);
    window.sent(item, now);
  }

  /** The first of its answer has come. */
  begun(item: T, now: number): void {
    const tookMs = this.#windowOf(item.kind).begun(item, now);
    if (tookMs !== null) this.#gain.begun(item.cost, tookMs, now);
  }

  /** It is over, wherever it was. */
  leave(item: T): void {
    if (!this.waiting.remove(item)) this.#windows.get(item.kind)?.left(item);
  }

  /** What is on its way, of one kind, oldest first. */
  onTheWay(kind: string): Iterable<T> {
    return this.#windows.get(kind)?.items() ?? [];
  }

  /** What other nodes have to know of this one. */
  told(now: number): DoorTold {
    const waiting = new Map<string, OwnersWaiting>();
    for (const [owner, { weight }, count] of this.waiting.owners())
      waiting.set(owner, { weight, waiting: count });
    const windows = [...this.#windows];
    return {
      waiting,
      onTheWay: new Map(windows.map(([kind, { size }]) => [kind, size])),
      pace: new Map(windows.map(([kind, window]) => [kind, window.perSecond(now)])),
    };
  }

  #windowOf(kind: string): DispatchWindow<T> {
    const known = this.#windows.get(kind) ?? new DispatchWindow<T>();
    this.#windows.set(kind, known);
    return known;
  }
}

/** What a token of an answer costs beside one of a prompt (VTC, Sheng et al. 2024): a prompt is computed many tokens at a time. */
const ANSWER_TIMES = 2;
/** Answer of a request that names no limit, or a higher one, tokens: most limits are far above what is generated. */
const USUAL_ANSWER = 512;

/** What a request takes of the workers, in tokens of a prompt. */
export function costOf(promptTokens: number, maxTokens: number | null): number {
  return Math.max(1, promptTokens) + ANSWER_TIMES * Math.min(maxTokens ?? USUAL_ANSWER, USUAL_ANSWER);
}
