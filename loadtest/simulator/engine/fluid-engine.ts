/**
 * An engine with continuous batching as a fluid: the same step times as the simulated engine that speaks HTTP, but three
 * events a request instead of one a token.
 *
 * Prompts are prefilled one after another; each step of a prefill is also one token for every decoding sequence. `v` counts
 * the steps made. A sequence that decodes n more tokens ends when v has grown by n. Between two events the step time is
 * taken to be constant: it changes when a sequence joins or leaves.
 */
import { type Profile, stepMs } from '@penstock/engine-sim';
import { PrefixCache } from '../../../services/engine-sim/batching/prefix-cache.ts';
import { BLOCK_TOKENS, type TraceRequest } from '../../workloads/trace.ts';
import { type Agenda, Timer } from './agenda.ts';

/** One request in an engine. Times in virtual ms. */
export interface Job {
  readonly request: TraceRequest;
  /** Its place in the workload. */
  readonly index: number;
  /** Prompt tokens found in the cache; known once its prefill has begun. */
  cachedTokens: number;
  firstAt: number;
}

export interface EngineHooks {
  firstToken(job: Job, worker: number): void;
  finished(job: Job, worker: number): void;
}

interface Waiting {
  readonly job: Job;
  readonly readyAt: number;
}

const EPSILON = 1e-6;

export class FluidEngine {
  readonly profile: Profile;
  readonly worker: number;
  readonly #agenda: Agenda;
  readonly #hooks: EngineHooks;
  readonly #cache: PrefixCache;
  readonly #timer: Timer;
  #queue: Waiting[] = [];
  #prefill: Job | null = null;
  /** Share of the prefill still to do, its steps, and how long all of it takes at the present batch, ms. */
  #left = 0;
  #steps = 0;
  #prefillMs = 0;
  /** The one that ends last first. */
  readonly #decoding: Job[] = [];
  /** After how many steps each of them ends, beside it: comparing must not fetch the jobs themselves. */
  readonly #ends: number[] = [];
  #stepMs = 0;
  #v = 0;
  /** Context tokens of decoding sequences. */
  #resident = 0;
  #reserved = 0;
  #at = 0;
  #settling = false;
  #slowdown: number;
  dead = false;

  constructor(worker: number, profile: Profile, slowdown: number, agenda: Agenda, hooks: EngineHooks) {
    this.worker = worker;
    this.profile = profile;
    this.#slowdown = slowdown;
    this.#agenda = agenda;
    this.#hooks = hooks;
    this.#cache = new PrefixCache(profile.kvCapacityTokens);
    this.#timer = new Timer(() => this.#settle());
  }

  set slowdown(factor: number) {
    this.#advance();
    this.#slowdown = factor;
    this.#settle();
  }

  /** Requests inside, in whatever state. */
  get inFlight(): number {
    return this.#queue.length + this.#decoding.length + (this.#prefill === null ? 0 : 1);
  }

  /** KV memory reserved by running sequences, 0–1. */
  get kvUse(): number {
    return this.#reserved / this.profile.kvCapacityTokens;
  }

  submit(request: TraceRequest, index: number): Job {
    const job: Job = { request, index, cachedTokens: 0, firstAt: 0 };
    this.#advance();
    // A request joins at a step boundary: on average in the middle of the step under way.
    const boundary = this.#prefill === null && this.#decoding.length > 0 ? this.#stepMs / 2 : 0;
    const readyAt = this.#agenda.now + this.profile.ingestMs * this.#slowdown + boundary;
    this.#queue.push({ job, readyAt });
    this.#settle();
    return job;
  }

  /** Time until the first token if the request came now, ms: exact but for what comes later, as only an oracle knows. */
  foreseeMs(request: TraceRequest): number {
    this.#advance();
    const ahead: TraceRequest[] = this.#prefill === null ? [] : [this.#prefill.request];
    let ms = this.#prefill === null ? 0 : this.#left * this.#prefillMs;
    for (const { job } of this.#queue) {
      ms += this.#foreseePrefillMs(job.request, ahead);
      ahead.push(job.request);
    }
    return ms + this.#foreseePrefillMs(request, ahead);
  }

  /** Prefill time at the present batch, once the cache holds what is ahead too. */
  #foreseePrefillMs(request: TraceRequest, ahead: readonly TraceRequest[]): number {
    const chain = { keys: request.blocks, tokensPerBlock: BLOCK_TOKENS };
    const shared = ahead.map(other => sharedBlocks(other.blocks, request.blocks) * BLOCK_TOKENS);
    const cached = Math.min(Math.max(this.#cache.peek(chain), ...shared), request.inputTokens - 1);
    const n = request.inputTokens - cached;
    return this.#prefillOf(n, cached, n / this.#budget());
  }

  /** Everything inside is lost. @returns it. */
  kill(): Job[] {
    const lost = [...this.#queue.map(({ job }) => job), ...this.#decoding];
    if (this.#prefill !== null) lost.push(this.#prefill);
    this.#queue = [];
    this.#decoding.length = 0;
    this.#ends.length = 0;
    this.#prefill = null;
    this.dead = true;
    this.#agenda.cancel(this.#timer);
    return lost;
  }

  #budget(): number {
    return Math.max(1, this.profile.maxBatchedTokens - this.#decoding.length);
  }

  #prefillOf(n: number, cached: number, steps: number): number {
    const { profile } = this;
    const work = 1e-3 * profile.usPerNewToken * n + 1e-6 * profile.nsPerTokenPair * (n * n + 2 * n * cached);
    return steps * this.#decodeStep() + work * this.#slowdown;
  }

  #decodeStep(): number {
    const load = {
      newTokens: 0,
      tokenPairs: 0,
      decodeSeqs: this.#decoding.length,
      residentTokens: this.#resident,
    };
    return stepMs(this.profile, load) * this.#slowdown;
  }

  #advance(): void {
    const ms = this.#agenda.now - this.#at;
    this.#at = this.#agenda.now;
    if (ms <= 0) return;
    let steps = 0;
    if (this.#prefill !== null) {
      this.#left -= ms / this.#prefillMs;
      steps = (this.#steps * ms) / this.#prefillMs;
    } else if (this.#decoding.length > 0) steps = ms / this.#stepMs;
    this.#v += steps;
    this.#resident += steps * this.#decoding.length;
  }

  /** Lets everything happen that is due, then sets the timer for what comes next. */
  #settle(): void {
    if (this.#settling || this.dead) return;
    this.#settling = true;
    this.#advance();
    while (this.#step());
    this.#settling = false;
    this.#plan();
  }

  /** @returns whether anything happened. */
  #step(): boolean {
    if (this.#soonestEnd <= this.#v + EPSILON) {
      const soonest = this.#decoding.pop();
      this.#ends.pop();
      if (soonest === undefined) return false;
      this.#resident -= soonest.request.inputTokens + soonest.request.outputTokens;
      this.#leave(soonest);
      return true;
    }
    if (this.#prefill !== null) {
      if (this.#left > EPSILON) return false;
      this.#firstToken(this.#prefill);
      return true;
    }
    const head = this.#queue[0];
    if (head === undefined || head.readyAt > this.#agenda.now + EPSILON) return false;
    const need = head.job.request.inputTokens + head.job.request.outputTokens;
    if (this.#decoding.length >= this.profile.maxNumSeqs) return false;
    if (this.#reserved + need > this.profile.kvCapacityTokens && this.#reserved > 0) return false;
    this.#queue.shift();
    this.#reserved += need;
    this.#begin(head.job);
    return true;
  }

  /** The cache is asked now, as vLLM's scheduler does: what was computed while the request waited counts. */
  #begin(job: Job): void {
    const { blocks, inputTokens } = job.request;
    const hit = this.#cache.match({ keys: blocks, tokensPerBlock: BLOCK_TOKENS });
    job.cachedTokens = Math.min(hit, inputTokens - 1);
    const steps = (job.request.inputTokens - job.cachedTokens) / this.#budget();
    this.#prefill = job;
    this.#left = 1;
    // With another prompt behind it the last step is shared.
    this.#steps = this.#queue.length > 0 ? steps : Math.ceil(steps);
  }

  #firstToken(job: Job): void {
    const { request } = job;
    this.#prefill = null;
    job.firstAt = this.#agenda.now;
    if (request.blocks.length > 0) this.#cache.insert({ keys: request.blocks, tokensPerBlock: BLOCK_TOKENS });
    this.#hooks.firstToken(job, this.worker);
    if (request.outputTokens <= 1) {
      this.#leave(job);
      return;
    }
    this.#resident += request.inputTokens + 1;
    this.#decode(job, this.#v + request.outputTokens - 1);
  }

  /** Keeps the order of ends. */
  #decode(job: Job, end: number): void {
    const jobs = this.#decoding;
    const ends = this.#ends;
    let i = ends.length;
    for (; i > 0; i--) {
      const last = ends[i - 1] ?? 0;
      if (last >= end) break;
      jobs[i] = jobs[i - 1] ?? job;
      ends[i] = last;
    }
    jobs[i] = job;
    ends[i] = end;
  }

  get #soonestEnd(): number {
    const { length } = this.#ends;
    // No index below 0: with reads of one a short request took a fifth longer.
    return length === 0 ? Number.POSITIVE_INFINITY : (this.#ends[length - 1] ?? 0);
  }

  #leave(job: Job): void {
    this.#reserved -= job.request.inputTokens + job.request.outputTokens;
    this.#hooks.finished(job, this.worker);
  }

  #plan(): void {
    const { now } = this.#agenda;
    this.#stepMs = this.#decodeStep();
    let next = Number.POSITIVE_INFINITY;
    let msPerStep = this.#stepMs;
    if (this.#prefill !== null) {
      const { request, cachedTokens } = this.#prefill;
      this.#prefillMs = this.#prefillOf(request.inputTokens - cachedTokens, cachedTokens, this.#steps);
      msPerStep = this.#prefillMs / this.#steps;
      next = this.#left * this.#prefillMs;
    } else if (this.#queue.length > 0) {
      const wait = (this.#queue[0]?.readyAt ?? now) - now;
      // Ready and still here: it waits for room, which only an ending sequence makes.
      if (wait > EPSILON) next = wait;
    }
    next = Math.min(next, (this.#soonestEnd - this.#v) * msPerStep);
    if (next === Number.POSITIVE_INFINITY) this.#agenda.cancel(this.#timer);
    else this.#agenda.set(this.#timer, now + Math.max(0, next));
  }
}

/** Leading blocks that two prompts have in common. */
function sharedBlocks(a: readonly number[], b: readonly number[]): number {
  let shared = 0;
  while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared++;
  return shared;
}
