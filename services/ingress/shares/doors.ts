/**
 * The doors of this ingress to its workers, one for each queue (decision 0012): who waits there, whose turn it is, and what was said of it to others. A
 * request that finds no backlog passes in the same turn of the event loop.
 */
import {
  AdmissionDoor,
  ALONE,
  costOf,
  type DoorTold,
  type Forecast,
  fitsShare,
  type NodeShare,
  nodeShare,
  type Patient,
  type PatientView,
  type TokenUse,
} from '@penstock/policy';
import type { WorkMeta } from '@penstock/protocol';
import { backlogFull } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { OtherNodes } from './other-nodes.ts';

/** How a request counts at the door. */
export interface DoorClaim extends Patient {
  readonly id: string;
  /** Of its queue. */
  readonly slug: string;
  /** Of its body, which is kept here while it waits. */
  readonly bytes: number;
  /** Monotonic ms. */
  readonly arrivedAt: number;
  /** Until its first token by the estimate when it came, s; null where nothing waited then. */
  readonly estimateS: number | null;
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
    /** Until a worker of a queue would begin one, s. */
    waitS(slug: string): number;
    /** Of its workers, the mean. */
    meanTokensPerSec(slug: string): number;
  };
  readonly others: Pick<OtherNodes, 'of' | 'tell'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Memory for the bodies of what waits. */
  readonly budgetBytes: number;
  /** Told how long each waited whose turn has come, ms. */
  readonly onWaited: (slug: string, ms: number) => void;
  /** Told what came of an estimate: it over what it really took. */
  readonly onEstimated: (slug: string, ratio: number) => void;
}

/** One door, and what this node's part in it was last seen to be. */
interface Door {
  readonly fair: AdmissionDoor<DoorClaim>;
  share: NodeShare;
  /** Monotonic ms. */
  sharedAt: number;
  usedAt: number;
  /** What answers take lately, s. */
  answerS: number;
}

/** For so long a part among other nodes counts, who tell once a second, ms. */
const SHARE_FOR_MS = 100;
/** What a door has learned is kept for so long without a request, ms. */
const KEPT_MS = 600_000;
/** Weight of one more answer in how long they take. */
const LEARN = 0.1;
/** How good an estimate of less was is of no interest, s. */
const NOTICED_S = 1;

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
  /** What is told of one that leaves lets others pass, and these look again who is lost. */
  #isGivingUp = false;
  #onTurn: (id: string) => void = () => {};
  #onLost: (claim: DoorClaim, estimateS: number) => void = () => {};
  /** Since when each is being answered, monotonic ms. */
  readonly #answering = new Map<DoorClaim, number>();

  constructor(options: DoorsOptions) {
    this.#o = options;
  }

  /** @param tell told of each request that waited and may go. */
  whenTurn(tell: (id: string) => void): void {
    this.#onTurn = tell;
  }

  /** @param tell told of each request that waits, at the door or on its way, and can no longer be in time; it has to leave. */
  whenLost(tell: (claim: DoorClaim, estimateS: number) => void): void {
    this.#onLost = tell;
  }

  /** How long a request would wait if it came now; null where nothing waits. Whether a worker takes such work is no matter. */
  forecast(claim: DoorClaim): Forecast | null {
    const door = this.#doors.get(claim.slug);
    if (door === undefined || !door.fair.isBusy(claim.kind, this.#now)) return null;
    return door.fair.forecast(claim, this.#viewOf(claim.slug, door));
  }

  /** Whether a worker takes work of a queue. */
  isServed(slug: string): boolean {
    return this.#o.fleet.workersOf(slug) > 0;
  }

  /** What answers take after their first token, ms, as they did lately. */
  answerMs(slug: string): number {
    return 1000 * (this.#doors.get(slug)?.answerS ?? 0);
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
    door.fair.arrive(claim, this.#now);
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
    this.#answering.set(claim, this.#now);
    const tookS = (this.#now - claim.arrivedAt) / 1000;
    if (claim.estimateS !== null && tookS >= NOTICED_S)
      this.#o.onEstimated(claim.slug, claim.estimateS / tookS);
    this.#pass(claim.slug, door);
  }

  /** It is over, or goes on elsewhere; whether it waits, is on its way or has begun. */
  leave(claim: DoorClaim): void {
    const door = this.#doors.get(claim.slug);
    this.#answered(claim, door);
    if (door === undefined) return;
    this.#silent.delete(claim);
    this.#waitsNoMore(claim);
    door.fair.leave(claim);
    this.#pass(claim.slug, door);
  }

  /** Often: what time alone changes. Costs next to nothing while nothing waits. */
  look(): void {
    this.#lookAtSilent();
    for (const [slug, door] of this.#doors) this.#giveUp(slug, door, true);
    if (this.#waiting.size === 0) return;
    for (const [slug, door] of this.#doors) this.#pass(slug, door);
  }

  /** Once a second. */
  tick(): void {
    const told = new Map<string, DoorTold>();
    for (const [slug, { fair, usedAt }] of this.#doors)
      if (!fair.isIdle) told.set(slug, fair.told(this.#now));
      else if (this.#now - usedAt > KEPT_MS) this.#doors.delete(slug);
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
    if (arriving === null) this.#giveUp(slug, door, false);
    const view = this.#viewOf(slug, door, arriving !== null);
    for (let next = fair.next(view); next !== null; next = fair.next(view)) {
      const waitedMs = this.#waitsNoMore(next);
      if (next === arriving) continue;
      this.#o.onWaited(slug, waitedMs);
      this.#onTurn(next.id);
    }
  }

  /** Whoever is told has it leave, which lets the next one pass. */
  #giveUp(slug: string, door: Door, isThorough: boolean): void {
    const { fair } = door;
    if (this.#isClosed || this.#isGivingUp || fair.isIdle) return;
    const view = this.#viewOf(slug, door);
    // That workers are away is no matter of load.
    if (view.workers === 0) return;
    const lost = fair.lost(view, isThorough);
    if (isThorough) lost.push(...fair.lostOnTheWay(view));
    if (lost.length === 0) return;
    const estimates = lost.map(claim => fair.forecast(claim, view).estimateS);
    this.#isGivingUp = true;
    for (const [i, claim] of lost.entries()) this.#onLost(claim, estimates[i] ?? 0);
    this.#isGivingUp = false;
  }

  #answered(claim: DoorClaim, door: Door | undefined): void {
    const since = this.#answering.get(claim);
    if (since === undefined) return;
    this.#answering.delete(claim);
    if (door !== undefined) door.answerS += LEARN * ((this.#now - since) / 1000 - door.answerS);
  }

  #viewOf(slug: string, door: Door, isChanged = false): PatientView<DoorClaim> {
    const { fleet } = this.#o;
    return {
      ...{ now: this.#now, node: this.#shareOf(slug, door, isChanged), workers: fleet.workersOf(slug) },
      ...{ quotedS: fleet.waitS(slug), tokensPerSec: fleet.meanTokensPerSec(slug) },
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
    const usedAt = this.#now;
    const known = this.#doors.get(slug);
    if (known !== undefined) {
      known.usedAt = usedAt;
      return known;
    }
    const unshared = { share: ALONE, sharedAt: Number.NEGATIVE_INFINITY };
    const door = { fair: new AdmissionDoor<DoorClaim>(), ...unshared, usedAt, answerS: 0 };
    this.#doors.set(slug, door);
    return door;
  }

  get #now(): number {
    return this.#o.clock.monotonic();
  }
}

/** What there is to say of a claim beside its request. */
export interface ClaimTerms {
  /** What it is taken to need, tokens. */
  readonly use: TokenUse;
  /** Of its body. */
  readonly bytes: number;
  /** Monotonic ms. */
  readonly arrivedAt: number;
  readonly patientUntil: number;
}

export function doorClaimOf(
  { id, slug, size: kind, promptTokens }: Pick<WorkMeta, 'id' | 'promptTokens' | 'size' | 'slug'>,
  { project: owner, weight }: { readonly project: string; readonly weight: number },
  { use, ...terms }: ClaimTerms,
): DoorClaim {
  const cost = costOf(use.prompt, use.output);
  return { id, slug, owner, kind, weight, cost, promptTokens, ...terms, estimateS: null };
}
