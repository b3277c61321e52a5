/**
 * Which workers are alive. A worker is
 * - a *member* from its first heartbeat until it leaves or is forgotten;
 * - *lost* once it was silent for {@link LOST_AFTER_MS}, or its process is known to have ended: it is offered nothing, and a heartbeat brings it back;
 * - *suspect* once it did not take the work bound to it in time, until its next heartbeat or reply;
 * - *forgotten* once it was silent for {@link FORGOTTEN_AFTER_MS}, all of them while this process was listening.
 *
 * A worker that is started again keeps its name but not the requests that its old process ran, so silence is also tracked for
 * each process (incarnation).
 */
import { FORGOTTEN_AFTER_MS, LOST_AFTER_MS } from '@penstock/policy';
import { type Heartbeat, type ModelInfo, type Quote, queuesOf } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { LastQuote } from './quote.ts';

/** Workers that are remembered: far more than a region has, so that no number of made-up names takes all memory. */
const MOST_WORKERS = 16_384;
/** Processes of one name, within the minute after which they are forgotten. */
const MOST_INCARNATIONS = 32;

export interface Member {
  readonly worker: string;
  /** The latest one. */
  readonly heartbeat: Heartbeat;
  /** When it came, monotonic ms. */
  seenAt: number;
  /** Slugs of the queues it pulls from. */
  readonly slugs: ReadonlySet<string>;
  /** Incarnation → time of its last message, monotonic ms. */
  readonly incarnations: Map<string, number>;
  lost: boolean;
  suspect: boolean;
  /** Requests of this node that it took since its latest heartbeat, which tells how many it runs. */
  taken: number;
  quote: LastQuote;
}

export interface MembersOptions {
  readonly clock: Clock;
  /** Whether heartbeats can reach this process now. */
  readonly connected: () => boolean;
  /** A process that goes on serves a model no more. */
  readonly onDropped: (model: ModelInfo) => void;
  /** A worker takes nothing new any more: it drains, is sick, left, or was lost. Called once. */
  readonly onGone: (worker: string) => void;
  /** A member was removed. `forgotten`: it did not announce that it leaves. */
  readonly onRemoved: (member: Member, why: 'left' | 'forgotten') => void;
}

export class Members {
  readonly #o: MembersOptions;
  readonly #members = new Map<string, Member>();
  /** Monotonic ms since which heartbeats could have reached us; silence before that proves nothing. */
  #listeningSince: number;
  #sweptAt: number;
  #version = 0;

  constructor(options: MembersOptions) {
    this.#o = options;
    this.#listeningSince = options.clock.monotonic();
    this.#sweptAt = this.#listeningSince;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Changes when the set of workers that take work, or what one of them serves, does. */
  get version(): number {
    return this.#version;
  }

  get(worker: string): Member | undefined {
    return this.#members.get(worker);
  }

  all(): Iterable<Member> {
    return this.#members.values();
  }

  /** All that pull from a queue, whether they take work now or not. */
  of(slug: string): Member[] {
    return [...this.#members.values()].filter(member => member.slugs.has(slug));
  }

  /** Those of {@link of} that take work now. */
  serving(slug: string): Member[] {
    const found: Member[] = [];
    for (const member of this.#members.values()) if (this.serves(member, slug)) found.push(member);
    return found;
  }

  serves({ heartbeat, slugs, seenAt }: Member, slug: string): boolean {
    return heartbeat.pulling && slugs.has(slug) && this.#now() - seenAt <= LOST_AFTER_MS;
  }

  /** @returns whether there was room for it: a region has no more than {@link MOST_WORKERS}. */
  hear(heartbeat: Heartbeat): boolean {
    const known = this.#members.get(heartbeat.worker);
    if (known === undefined && this.#members.size >= MOST_WORKERS) return false;
    if (heartbeat.leaving) {
      if (known !== undefined && !this.#isRestarted(known, heartbeat.incarnation)) this.#leave(known);
      return true;
    }
    const member = this.#upsert(heartbeat, known);
    if (known === undefined || !isSameService(known, member)) this.#version++;
    if (known?.heartbeat.pulling === true && !heartbeat.pulling) this.#o.onGone(heartbeat.worker);
    // A restarted process names no models until its engine answers.
    if (known?.heartbeat.incarnation === heartbeat.incarnation) this.#tellDropped(known.heartbeat, heartbeat);
    return true;
  }

  #tellDropped(before: Heartbeat, after: Heartbeat): void {
    if (before.models.length === 0) return;
    const names = new Set(after.models.map(model => model.name));
    for (const model of before.models) if (!names.has(model.name)) this.#o.onDropped(model);
  }

  /** Whether a worker takes work for a model now. @param name of the model. */
  isServed(name: string): boolean {
    for (const { heartbeat, seenAt } of this.#members.values())
      if (heartbeat.pulling && this.#now() - seenAt <= LOST_AFTER_MS)
        if (heartbeat.models.some(model => model.name === name)) return true;
    return false;
  }

  /** Names of the models of all workers that are not lost, whether they take work now or not. */
  modelNames(): Set<string> {
    const names = new Set<string>();
    for (const { worker, heartbeat } of this.#members.values())
      if (!this.isLost(worker)) for (const { name } of heartbeat.models) names.add(name);
    return names;
  }

  /** Whether whoever is there must have been heard by now. */
  get hasHeardAll(): boolean {
    return this.unheardMs === 0;
  }

  /** ms until that is so. */
  get unheardMs(): number {
    return Math.max(0, this.#listeningSince + LOST_AFTER_MS - this.#now());
  }

  #leave(member: Member): void {
    this.#members.delete(member.worker);
    this.#version++;
    this.#o.onRemoved(member, 'left');
    if (member.heartbeat.pulling) this.#o.onGone(member.worker);
  }

  /** One process of a worker leaves. @returns whether another one is alive under the same name. */
  #isRestarted({ incarnations }: Member, leaving: string): boolean {
    incarnations.delete(leaving);
    const now = this.#now();
    return [...incarnations.values()].some(at => now - at <= LOST_AFTER_MS);
  }

  #upsert(heartbeat: Heartbeat, known: Member | undefined): Member {
    const now = this.#now();
    const { worker, waitS, tokensPerSec, cacheTokens } = heartbeat;
    const incarnations = known?.incarnations ?? new Map<string, number>();
    noteIncarnation(incarnations, heartbeat.incarnation, now);
    for (const [old, at] of incarnations) if (now - at > FORGOTTEN_AFTER_MS) incarnations.delete(old);
    const member: Member = {
      worker,
      heartbeat,
      seenAt: now,
      slugs: new Set(heartbeat.models.flatMap(queuesOf)),
      incarnations,
      lost: false,
      suspect: false,
      taken: 0,
      quote: { waitS, tokensPerSec, cacheTokens, at: now },
    };
    this.#members.set(worker, member);
    return member;
  }

  /** A reply packet carried the worker's quote. */
  hearQuote(worker: string, { waitMs, tokensPerSec, cacheTokens }: Quote): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    member.suspect = false;
    member.quote = { waitS: waitMs / 1000, tokensPerSec, cacheTokens, at: this.#now() };
  }

  /** A process of a worker began a request, perhaps before its first heartbeat arrived. */
  hearFrom(worker: string, incarnation: string): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    noteIncarnation(member.incarnations, incarnation, this.#now());
    member.taken++;
  }

  /**
   * How long nothing was heard of a process of a worker, ms; null where it is not known here. Quotes come with replies, and are of the process whose heartbeat was
   * the latest.
   */
  silentMs(worker: string, incarnation: string): number | null {
    const member = this.#members.get(worker);
    const beganAt = member?.incarnations.get(incarnation);
    if (member === undefined || beganAt === undefined) return null;
    const isNewest = member.heartbeat.incarnation === incarnation;
    return this.#now() - (isNewest ? Math.max(beganAt, member.quote.at) : beganAt);
  }

  /** A process of a worker is known to have ended without a word: it is lost now. */
  ended(worker: string, incarnation: string): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    member.incarnations.delete(incarnation);
    if (member.heartbeat.incarnation !== incarnation) return;
    member.seenAt = Math.min(member.seenAt, this.#now() - LOST_AFTER_MS - 1);
    this.#noteLost(member);
  }

  #noteLost(member: Member): void {
    if (member.lost) return;
    member.lost = true;
    this.#version++;
    this.#o.onGone(member.worker);
  }

  /** A worker did not take the work bound to it in time. */
  suspect(worker: string): void {
    const member = this.#members.get(worker);
    if (member !== undefined) member.suspect = true;
  }

  /**
   * Whether a worker, or the given process of it, was silent for too long while this process was listening.
   * @param incarnation '' for the worker as a whole.
   */
  isLost(worker: string, incarnation = ''): boolean {
    const now = this.#now();
    if (!this.hasHeardAll) return false;
    const member = this.#members.get(worker);
    const seenAt = incarnation === '' ? member?.seenAt : member?.incarnations.get(incarnation);
    return now - (seenAt ?? Number.NEGATIVE_INFINITY) > LOST_AFTER_MS;
  }

  /** To be called once a second. A late call means that this process was paused, and heard nothing meanwhile. */
  sweep(): void {
    const now = this.#now();
    if (!this.#o.connected() || now - this.#sweptAt > LOST_AFTER_MS) this.#listeningSince = now;
    this.#sweptAt = now;
    for (const member of this.#members.values()) {
      if (this.isLost(member.worker)) this.#noteLost(member);
      // While this process was paused or cut off, it would have missed whatever a living worker said.
      if (now - Math.max(member.seenAt, this.#listeningSince) <= FORGOTTEN_AFTER_MS) continue;
      this.#members.delete(member.worker);
      this.#o.onRemoved(member, 'forgotten');
    }
  }

  #now(): number {
    return this.#o.clock.monotonic();
  }
}

/** The newest is the last. */
function noteIncarnation(incarnations: Map<string, number>, incarnation: string, now: number): void {
  incarnations.delete(incarnation);
  incarnations.set(incarnation, now);
  const [oldest] = incarnations.keys();
  if (incarnations.size > MOST_INCARNATIONS && oldest !== undefined) incarnations.delete(oldest);
}

/** Whether a worker can be chosen for the same requests as before. */
function isSameService(before: Member, after: Member): boolean {
  return (
    before.heartbeat.pulling === after.heartbeat.pulling &&
    before.heartbeat.shard === after.heartbeat.shard &&
    !before.lost &&
    before.slugs.size === after.slugs.size &&
    [...after.slugs].every(slug => before.slugs.has(slug))
  );
}
