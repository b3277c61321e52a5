/**
 * The load of one worker, metered from what happens to its requests: begun, first token, ended. The worker and the simulator
 * feed the same meter, so the same requests at the same times give the same load and the same quotes.
 */
import { FIRST_ANSWER_TOKENS, learnAnswer } from './decode-interference.ts';
import { kvFree } from './kv-room.ts';
import { PrefillQueue } from './prefill-queue.ts';
import { lately, workS } from './recent-work.ts';
import { effectiveRate, type Filled, prefillAheadS, type WorkerLoad } from './worker-load.ts';

/** A request as the meter counts it. */
export interface MeteredRequest {
  readonly promptTokens: number;
  /** Leading prompt tokens that the engine's cache is believed to hold. */
  readonly heldTokens: number;
  /** KV memory that prompt and answer are likely to need, tokens; see {@link kvNeed}. */
  readonly kvTokens: number;
  /** The answer will show no first token, see {@link PrefillQueue}. */
  readonly silent: boolean;
}

/** What the worker knows of its engine and of itself beside what is metered. */
export interface EngineReadings {
  /** Requests taken, in whatever state. */
  readonly running: number;
  readonly slots: number;
  /** KV cache in use, 0–1, and its size in tokens; null where the engine does not tell. */
  readonly kvUse: number | null;
  readonly kvCapacity: number | null;
  /** KV memory that requests taken and not begun are likely to need, tokens. Absent: none. */
  readonly kvPending?: number;
  /** Share of recent attempts that failed, 0–1. */
  readonly errorRate: number;
}

/** What a worker reports with its replies and heartbeats. */
export interface WorkerQuote {
  /** Wait before a new prompt's prefill begins, s. */
  readonly waitS: number;
  /** 0 until something was learned: a guess must not become the fleet's reference. */
  readonly tokensPerSec: number;
  /** Tokens ever put into its cache. */
  readonly cacheTokens: number;
}

/** An input of the meter. The same events at the same times give the same load. */
export type MeterEvent<Id = string> =
  | { readonly kind: 'begun'; readonly id: Id; readonly request: MeteredRequest; readonly now: number }
  | { readonly kind: 'first_token'; readonly id: Id; readonly now: number }
  | { readonly kind: 'ended'; readonly id: Id; readonly kvTokens: number }
  | { readonly kind: 'answered'; readonly tokens: number }
  | { readonly kind: 'recovered'; readonly now: number }
  | { readonly kind: 'read'; readonly readings: EngineReadings; readonly now: number };

/** @typeParam Id identifies requests: their ids in the worker, numbers in the simulator. */
export class LoadMeter<Id = string> {
  readonly #prefill = new PrefillQueue<Id>();
  #cacheTokens: number;
  #kvTaken = 0;
  /** Share of recent time spent working, as of `#workedAt`, monotonic ms. */
  #worked = 0;
  #workedAt = 0;
  #answerTokens = FIRST_ANSWER_TOKENS;
  #answers = 0;
  readonly #load: Filled<WorkerLoad> = {
    prefillBacklogTokens: 0,
    head: null,
    prefillTokensPerSec: 0,
    running: 0,
    slots: 0,
    kvUse: null,
    kvFreeTokens: null,
    errorRate: 0,
    answerTokens: FIRST_ANSWER_TOKENS,
  };
  readonly #observe: ((event: MeterEvent<Id>) => void) | undefined;

  /**
   * @param cacheTokens where the count of tokens put into the cache begins: above that of any worker of this name before.
   * @param observe called with every input.
   */
  constructor(cacheTokens = 0, observe?: (event: MeterEvent<Id>) => void) {
    this.#cacheTokens = cacheTokens;
    this.#observe = observe;
  }

  /** Prompt tokens per second as learned; a guess before anything was. */
  get tokensPerSec(): number {
    return this.#prefill.rate;
  }

  /** As learned; 0 before anything was. */
  get learnedRate(): number {
    return this.#prefill.learnedRate;
  }

  /** Whether time alone changes nothing here; see {@link PrefillQueue.settled}. */
  get settled(): boolean {
    return this.#prefill.settled;
  }

  /** Requests without a first token; those that will show none are taken to have begun when the rate says so. */
  get unstarted(): number {
    return this.#prefill.size;
  }

  get cacheTokens(): number {
    return this.#cacheTokens;
  }

  /** The engine may have been restarted, with an empty cache. @param cacheTokens see the constructor. */
  emptied(cacheTokens: number): void {
    this.#cacheTokens = Math.max(this.#cacheTokens + 1, cacheTokens);
  }

  /** A request was given to the engine. */
  begin(id: Id, request: MeteredRequest, now: number): void {
    this.#observe?.({ kind: 'begun', id, request, now });
    const uncached = Math.max(0, request.promptTokens - request.heldTokens);
    this.#kvTaken += request.kvTokens;
    this.#cacheTokens += uncached;
    this.#work(workS(uncached, this.#prefill.rate), now);
    this.#prefill.add(id, uncached, now, request.silent);
  }

  firstToken(id: Id, now: number): void {
    this.#observe?.({ kind: 'first_token', id, now });
    this.#prefill.done(id, now);
  }

  /** A request left the engine, with or without an answer. */
  end(id: Id, kvTokens: number): void {
    this.#observe?.({ kind: 'ended', id, kvTokens });
    this.#kvTaken -= kvTokens;
    this.#prefill.drop(id);
  }

  /** An answer of so many tokens is complete. */
  answered(tokens: number): void {
    this.#observe?.({ kind: 'answered', tokens });
    if (tokens > 0) this.#answerTokens = learnAnswer(this.#answerTokens, tokens, this.#answers++);
  }

  /** Called once a second: an engine without requests may have recovered. */
  recover(now: number): void {
    this.#observe?.({ kind: 'recovered', now });
    // Pending observations count before the rate is raised.
    this.#prefill.look(now);
    this.#prefill.recover(now);
  }

  /** The record is the meter's own, and filled anew by each call. */
  load(readings: EngineReadings, now: number): WorkerLoad {
    this.#observe?.({ kind: 'read', readings, now });
    const { prefillBacklogTokens, head, prefillTokensPerSec } = this.#prefill.look(now);
    const load = this.#load;
    load.prefillBacklogTokens = prefillBacklogTokens;
    load.head = head;
    load.prefillTokensPerSec = prefillTokensPerSec;
    load.running = readings.running;
    load.slots = readings.slots;
    load.kvUse = readings.kvUse;
    load.kvFreeTokens = kvFree(
      readings.kvCapacity,
      readings.kvUse,
      this.#kvTaken + (readings.kvPending ?? 0),
    );
    load.errorRate = readings.errorRate;
    load.answerTokens = this.#answerTokens;
    return load;
  }

  quote(now: number): WorkerQuote {
    const tokensPerSec = this.quotedRate(now);
    return { waitS: this.waitS(now), tokensPerSec, cacheTokens: this.#cacheTokens };
  }

  /** The wait of {@link quote} alone. */
  waitS(now: number): number {
    return prefillAheadS(this.#prefill.look(now));
  }

  /** The rate of {@link quote} alone. */
  quotedRate(now: number): number {
    const load = this.#prefill.look(now);
    return this.#prefill.learnedRate === 0 ? 0 : effectiveRate(load);
  }

  /** Share of recent time spent working, see {@link lately}. */
  worked(now: number): number {
    return this.#work(0, now);
  }

  #work(busyS: number, now: number): number {
    this.#worked = lately(this.#worked, busyS, (now - this.#workedAt) / 1000);
    this.#workedAt = now;
    return this.#worked;
  }
}
