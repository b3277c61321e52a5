/**
 * What an ingress knows of the simulated fleet when it places a request. As fresh as the real one on a quiet network, where
 * every reply carries its worker's quote: at once.
 */
import {
  type Candidate,
  fewOf,
  HEARTBEAT_MS,
  isFast,
  type LoadMeter,
  learnTrust,
  type ModelFleet,
  mayBeCached,
  SAME_STEP_MS,
  timeToFirstToken,
} from '@penstock/policy';
import type { Agenda } from '../engine/agenda.ts';
import type { Holding, Owner } from './prefix-owners.ts';

/** What is seen of a worker. */
export interface SeenWorker {
  readonly index: number;
  readonly name: string;
  readonly isDead: boolean;
  readonly cacheCapacity: number | null;
  waitS(now: number): number;
  /** 0 until something was learned. */
  quotedRate(now: number): number;
  readonly meter: Pick<
    LoadMeter,
    'cacheTokens' | 'learnedRate' | 'recover' | 'settled' | 'tokensPerSec' | 'worked'
  >;
}

/** What is known of a worker beside its quote. */
interface Member<Worker> {
  readonly worker: Worker;
  /** How far to rely on what its cache is believed to hold, 0–1. */
  trust: number;
  /** Silent for too long. */
  lost: boolean;
  /** Until when nothing is sent to it alone, ms: it did not take its bound work, and has sent nothing since. */
  suspectUntil: number;
  /** Prompt tokens bound to it since its last message. */
  expectedTokens: number;
  firstTokenAt: number;
}

export class FleetView<Worker extends SeenWorker> implements ModelFleet {
  readonly #agenda: Agenda;
  readonly #members: readonly Member<Worker>[];
  /** Members whose standing changes as time passes; of all others the rate is below, 0 for the former. */
  readonly #unsettled: Set<Member<Worker>>;
  readonly #idleRates: Float64Array;
  /** Of those that are not lost, as of the last heartbeat. */
  readonly #rates: Float64Array;
  /** Members of which a first token may still show the rate, oldest first. */
  readonly #shown: Set<Member<Worker>>;
  #fleetTokensPerSec = 0;
  #fastestTokensPerSec = 0;
  #meanLoad = 0;
  /** More idle fast workers than these are enough for everybody. */
  #few = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #promptTokens = 0;
  #holders: readonly Holding[] = [];

  constructor(workers: readonly Worker[], agenda: Agenda) {
    this.#agenda = agenda;
    this.#members = workers.map(worker => ({
      worker,
      trust: 1,
      lost: false,
      suspectUntil: 0,
      expectedTokens: 0,
      firstTokenAt: Number.NEGATIVE_INFINITY,
    }));
    this.#unsettled = new Set(this.#members);
    this.#shown = new Set(this.#members);
    this.#idleRates = new Float64Array(workers.length);
    this.#rates = new Float64Array(workers.length);
  }

  get #now(): number {
    return this.#agenda.now;
  }

  /** No worker was ever seen to be faster, tokens/s. */
  get fastestTokensPerSec(): number {
    return this.#fastestTokensPerSec;
  }

  get meanLoad(): number {
    return this.#meanLoad;
  }

  get fleetTokensPerSec(): number {
    return this.#fleetTokensPerSec;
  }

  trustIn(index: number): number {
    return this.#members[index]?.trust ?? 1;
  }

  /** Whether what a worker's cache held at a stamp can still be there. */
  mayHold({ worker: index, stamp }: Owner): boolean {
    const worker = this.#members[index]?.worker;
    return worker !== undefined && mayBeCached(stamp, worker.meter.cacheTokens, worker.cacheCapacity);
  }

  /** What the fleet is as a whole, renewed with every heartbeat. @param recovered called for each that is believed to be faster. */
  renew(recovered: (worker: Worker) => void): void {
    if (this.#now - this.#renewedAt < HEARTBEAT_MS) return;
    this.#renewedAt = this.#now;
    this.#fleetTokensPerSec = 0;
    let load = 0;
    let known = 0;
    for (const member of this.#members) {
      if (member.lost) continue;
      const { worker } = member;
      if (!worker.isDead) {
        member.expectedTokens = 0;
        load += worker.meter.worked(this.#now);
        const before = worker.meter.learnedRate;
        worker.meter.recover(this.#now);
        if (worker.meter.learnedRate !== before) {
          this.#unsettled.add(member);
          recovered(worker);
        }
      }
      this.#fleetTokensPerSec = Math.max(this.#fleetTokensPerSec, worker.quotedRate(this.#now));
      this.#rates[known++] = worker.meter.tokensPerSec;
    }
    this.#meanLoad = load / Math.max(1, known);
    let fast = 0;
    for (let i = 0; i < known; i++) if (isFast(this.#rates[i] ?? 0, this.#fleetTokensPerSec)) fast++;
    this.#few = fewOf(fast);
  }

  /** A message of a worker arrived: it is suspected no longer. */
  hear(index: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    member.suspectUntil = 0;
    member.expectedTokens = 0;
  }

  /** A worker took a request. */
  heardTaking(index: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    this.hear(index);
    this.#unsettle(member);
  }

  heardFirstToken(index: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    this.heardTaking(index);
    member.firstTokenAt = this.#now;
    this.#shown.delete(member);
    this.#shown.add(member);
  }

  /** An engine said which share of a prompt it found in its cache, where so much was expected. */
  judgeCache(index: number, expected: number, found: number): void {
    const member = this.#members[index];
    if (member !== undefined) member.trust = learnTrust(member.trust, expected, found);
  }

  /** Prompt tokens were bound to a worker: they count until its next message. */
  expectAt(index: number, tokens: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    member.expectedTokens += tokens;
    this.#unsettle(member);
  }

  /** A worker did not take its bound work in time. Its next heartbeat, if any, clears it. */
  suspect(index: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    const nextHeartbeatAt = HEARTBEAT_MS * (Math.floor(this.#now / HEARTBEAT_MS) + 1);
    member.suspectUntil = member.worker.isDead ? Number.POSITIVE_INFINITY : nextHeartbeatAt;
    this.#unsettle(member);
  }

  lose(index: number): void {
    const member = this.#members[index];
    if (member === undefined) return;
    member.lost = true;
    this.#idleRates[index] = 0;
  }

  /** The fleet as seen for one prompt. */
  for(promptTokens: number, holders: readonly Holding[]): this {
    this.#promptTokens = promptTokens;
    this.#holders = holders;
    if (holders.length > 0) this.#learnRates();
    return this;
  }

  owners(): readonly Candidate[] {
    const found: Candidate[] = [];
    for (const { worker: index, trusted } of this.#holders) {
      const member = this.#members[index];
      if (member !== undefined && this.#takesWork(member)) found.push(this.#candidate(member, trusted));
    }
    return found;
  }

  /** Empty if enough fast workers are idle: large fleets mostly have some, and the others need not be considered. */
  candidates(): readonly Candidate[] {
    if (this.#hasIdle()) return [];
    return this.#members
      .filter(member => this.#takesWork(member))
      .map(member => this.#candidate(member, this.#trustedBy(member.worker.index)));
  }

  soonest(): Candidate | null {
    let best: Candidate | null = null;
    let bestS = Number.POSITIVE_INFINITY;
    for (const member of this.#unsettled) {
      if (!this.#takesWork(member)) continue;
      const candidate = this.#candidate(member, 0);
      this.#settle(member);
      const seconds = timeToFirstToken(candidate, this.#promptTokens);
      if (this.#isHolder(member.worker.index) || seconds >= bestS) continue;
      best = candidate;
      bestS = seconds;
    }
    const fastest = this.#fastestIdle();
    const tokensPerSec = this.#idleRates[fastest];
    if (tokensPerSec === undefined || this.#promptTokens / tokensPerSec >= bestS) return best;
    return { worker: String(fastest), waitS: 0, tokensPerSec, matchedTokens: 0, load: 0 };
  }

  #takesWork({ lost, suspectUntil }: Member<Worker>): boolean {
    return !lost && this.#now >= suspectUntil;
  }

  #candidate({ worker, expectedTokens }: Member<Worker>, matchedTokens: number): Candidate {
    const waitS = worker.waitS(this.#now);
    const tokensPerSec = worker.quotedRate(this.#now) || worker.meter.tokensPerSec;
    return {
      worker: worker.name,
      waitS: waitS + expectedTokens / tokensPerSec,
      tokensPerSec,
      matchedTokens,
      // Only of owners it is asked for.
      load: matchedTokens === 0 ? 0 : worker.meter.worked(this.#now),
    };
  }

  /** A first token shows a rate once its step is over: every worker's, not only of those that are weighed. */
  #learnRates(): void {
    for (const member of this.#shown) {
      if (this.#now - member.firstTokenAt < SAME_STEP_MS) return;
      this.#shown.delete(member);
      if (member.lost) continue;
      member.worker.quotedRate(this.#now);
      this.#fastestTokensPerSec = Math.max(this.#fastestTokensPerSec, member.worker.meter.tokensPerSec);
      this.#settle(member);
    }
  }

  #unsettle(member: Member<Worker>): void {
    this.#unsettled.add(member);
    this.#idleRates[member.worker.index] = 0;
  }

  /** A worker with nothing to prefill and nothing to learn is as it is until it takes something. */
  #settle(member: Member<Worker>): void {
    const { worker, expectedTokens } = member;
    if (!worker.meter.settled || expectedTokens > 0 || worker.isDead || !this.#takesWork(member)) return;
    this.#unsettled.delete(member);
    this.#idleRates[worker.index] = Math.max(1, worker.meter.tokensPerSec);
  }

  #hasIdle(): boolean {
    let idle = 0;
    for (let index = 0; index < this.#idleRates.length && idle <= this.#few; index++)
      if (isFast(this.#idleRates[index] ?? 0, this.#fleetTokensPerSec)) idle++;
    return idle > this.#few;
  }

  /** −1 where there is none. An indexed loop: over a thousand workers it takes a tenth of what an iterator does. */
  #fastestIdle(): number {
    const rates = this.#idleRates;
    let fastest = -1;
    let most = 0;
    for (let index = 0; index < rates.length; index++) {
      const rate = rates[index] ?? 0;
      if (rate <= most || this.#isHolder(index)) continue;
      fastest = index;
      most = rate;
    }
    return fastest;
  }

  #isHolder(index: number): boolean {
    return this.#holders.some(({ worker, trusted }) => worker === index && trusted > 0);
  }

  #trustedBy(index: number): number {
    return this.#holders.find(({ worker }) => worker === index)?.trusted ?? 0;
  }
}
