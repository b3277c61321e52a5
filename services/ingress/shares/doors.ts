/**
 * The doors of this ingress to its workers, one for each queue (decision 0012): who waits there, whose turn it is, and what was said of it to others. A
 * request that finds no backlog passes in the same turn of the event loop.
 */
import {
  ALONE,
  type Claimant,
  costOf,
  type DoorTold,
  type DoorView,
  FairDoor,
  fitsShare,
  type NodeShare,
  nodeShare,
  type TokenUse,
} from '@penstock/policy';
import type { WorkMeta } from '@penstock/protocol';
import { backlogFull } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { OtherNodes } from './other-nodes.ts';

/** How a request counts at the door. */
export interface DoorClaim extends Claimant {
  readonly id: string;
  /** Of its queue. */
  readonly slug: string;
  readonly promptTokens: number;
  /** Of its body, which is kept here while it waits. */
  readonly bytes: number;
}

/** Why a request waits: a word of its trail. */
export type HeldReason = 'no_room' | 'over_share';

export interface DoorsOptions {
  readonly fleet: {
    /** Workers that take work of a queue. */
    workersOf(slug: string): number;
    /** Requests of so many prompt tokens that they would begin at once. */
    startsNow(slug: string, promptTokens: number): number;
    /** Until a worker would begin a new prompt, s. */
    waitAt(worker: string): number;
  };
  readonly others: Pick<OtherNodes, 'of' | 'tell'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Memory for the bodies of what waits. */
  readonly budgetBytes: number;
  /** Told how long each waited whose turn has come, ms. */
  readonly onWaited: (slug: string, ms: number) => void;
}

/** One door, and what this node's part in it was last seen to be. */
interface Door {
  readonly fair: FairDoor<DoorClaim>;
  share: NodeShare;
  /** Monotonic ms. */
  sharedAt: number;
}

/** For so long a part among other nodes counts, who tell once a second, ms. */
const SHARE_FOR_MS = 100;

export class Doors {
  readonly #o: DoorsOptions;
  /** By slug. */
  readonly #doors = new Map<string, Door>();
  /** Since when each waits, monotonic ms. */
  readonly #waiting = new Map<DoorClaim, number>();
  /** Bytes of bodies of what waits, by owner. */
  readonly #held = new Map<string, number>();
  #heldBytes = 0;
  /** Calls without a stream that a worker took, and when their first token is likely to be there: nothing tells of it. Null until that was looked up. */
  readonly #silent = new Map<DoorClaim, { readonly worker: string; beginsAt: number | null }>();
  #isClosed = false;
  #onTurn: (id: string) => void = () => {};

  constructor(options: DoorsOptions) {
    this.#o = options;
  }

  /** @param tell told of each request that waited and may go. */
  whenTurn(tell: (id: string) => void): void {
    this.#onTurn = tell;
  }

  /** Requests that wait, by the slug of their queue. */
  *waiting(): Iterable<readonly [slug: string, count: number]> {
    for (const [slug, { fair }] of this.#doors) yield [slug, fair.waiting.size];
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** @throws DispatchError `queue_full` where the bodies of what waits leave no room for another one of its owner, should it have to wait. */
  assertRoom(owner: string, bytes: number): void {
    if (this.#heldBytes === 0) return;
    const place = { total: this.#o.budgetBytes, taken: this.#heldBytes };
    if (!fitsShare(place, this.#held.get(owner) ?? 0, bytes)) throw backlogFull('tenant');
  }

  /** @returns null where it goes now; else why it waits, until {@link whenTurn} or {@link leave}. */
  arrive(claim: DoorClaim): HeldReason | null {
    const { slug, owner } = claim;
    const door = this.#doorOf(slug);
    if (this.#isClosed || door.fair.passes(claim, this.#viewOf(slug, door))) return null;
    const reason = door.fair.waiting.isWaiting(owner) ? 'over_share' : 'no_room';
    door.fair.arrive(claim);
    this.#waiting.set(claim, this.#now);
    this.#hold(owner, claim.bytes);
    this.#pass(slug, door, claim);
    return this.#waiting.has(claim) ? reason : null;
  }

  /** A worker took it. @param isSilent no first token will show: its answer comes in one piece. */
  taken(claim: DoorClaim, worker: string, isSilent: boolean): void {
    if (isSilent) this.#silent.set(claim, { worker, beginsAt: null });
  }

  /** The first of its answer has come. */
  begun(claim: DoorClaim): void {
    const door = this.#doors.get(claim.slug);
    if (door === undefined) return;
    this.#silent.delete(claim);
    door.fair.begun(claim, this.#now);
    this.#pass(claim.slug, door);
  }

  /** It is over, or goes on elsewhere; whether it waits, is on its way or has begun. */
  leave(claim: DoorClaim): void {
    const door = this.#doors.get(claim.slug);
    if (door === undefined) return;
    this.#silent.delete(claim);
    this.#waitsNoMore(claim);
    door.fair.leave(claim);
    this.#pass(claim.slug, door);
  }

  /** Often: what time alone changes. Costs nothing while nothing waits. */
  look(): void {
    this.#lookAtSilent();
    if (this.#waiting.size === 0) return;
    for (const [slug, door] of this.#doors) this.#pass(slug, door);
  }

  /** Once a second. */
  tick(): void {
    const told = new Map<string, DoorTold>();
    for (const [slug, { fair }] of this.#doors)
      if (fair.isIdle) this.#doors.delete(slug);
      else told.set(slug, fair.told(this.#now));
    this.#o.others.tell(told);
  }

  /** Nobody's turn comes any more: what waits is about to be given up. */
  close(): void {
    this.#isClosed = true;
  }

  /** @param arriving has just come: whoever brings it sees that it may go. */
  #pass(slug: string, door: Door, arriving: DoorClaim | null = null): void {
    const { fair } = door;
    if (this.#isClosed || fair.waiting.size === 0) return;
    const view = this.#viewOf(slug, door, arriving !== null);
    for (let next = fair.next(view); next !== null; next = fair.next(view)) {
      const waitedMs = this.#waitsNoMore(next);
      if (next === arriving) continue;
      this.#o.onWaited(slug, waitedMs);
      this.#onTurn(next.id);
    }
  }

  #viewOf(slug: string, door: Door, isChanged = false): DoorView<DoorClaim> {
    const { fleet } = this.#o;
    return {
      ...{ now: this.#now, node: this.#shareOf(slug, door, isChanged), workers: fleet.workersOf(slug) },
      starts: ({ promptTokens }) => fleet.startsNow(slug, promptTokens),
    };
  }

  #shareOf(slug: string, door: Door, isChanged: boolean): NodeShare {
    const others = this.#o.others.of(slug);
    if (others.length === 0) return ALONE;
    const now = this.#now;
    if (isChanged || now - door.sharedAt >= SHARE_FOR_MS) {
      door.share = nodeShare(door.fair.told(now), others);
      door.sharedAt = now;
    }
    return door.share;
  }

  /** By then the worker's quote includes what it took, so a new prompt begins once this one is computed. */
  #lookAtSilent(): void {
    const now = this.#now;
    for (const [claim, silent] of this.#silent) {
      silent.beginsAt ??= now + 1000 * this.#o.fleet.waitAt(silent.worker);
      if (now >= silent.beginsAt) this.begun(claim);
    }
  }

  #hold(owner: string, bytes: number): void {
    const held = (this.#held.get(owner) ?? 0) + bytes;
    this.#heldBytes += bytes;
    if (held === 0) this.#held.delete(owner);
    else this.#held.set(owner, held);
  }

  /** @returns for how long it has waited, ms. */
  #waitsNoMore(claim: DoorClaim): number {
    const since = this.#waiting.get(claim);
    if (since === undefined) return 0;
    this.#waiting.delete(claim);
    this.#hold(claim.owner, -claim.bytes);
    return this.#now - since;
  }

  #doorOf(slug: string): Door {
    const known = this.#doors.get(slug);
    if (known !== undefined) return known;
    const door = { fair: new FairDoor<DoorClaim>(), share: ALONE, sharedAt: Number.NEGATIVE_INFINITY };
    this.#doors.set(slug, door);
    return door;
  }

  get #now(): number {
    return this.#o.clock.monotonic();
  }
}

/** @param use what it is taken to need, tokens. @param bytes of its body. */
export function doorClaimOf(
  { id, slug, size: kind, promptTokens }: Pick<WorkMeta, 'id' | 'promptTokens' | 'size' | 'slug'>,
  { project: owner, weight }: { readonly project: string; readonly weight: number },
  use: TokenUse,
  bytes: number,
): DoorClaim {
  return { id, slug, owner, kind, weight, cost: costOf(use.prompt, use.output), promptTokens, bytes };
}
