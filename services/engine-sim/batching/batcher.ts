/**
 * Continuous batching, as vLLM schedules it: each step every decoding sequence gains one token, and what is left of the
 * step's token budget computes prompts, in chunks, first come first served. The step that ends a prompt yields its first
 * token.
 *
 * Steps run on a virtual timeline: a step's end is the next one's start, however late the timer woke us, and one wake-up
 * runs all steps that are over. So the average speed is right even when steps are shorter than a timer can measure.
 *
 * Simpler than the real thing: room for prompt and answer is reserved at admission (vLLM preempts instead), shared
 * prefixes are counted once per sequence, and the 46 µs an API server spends on sending a token are left out.
 */
import type { BatcherClock } from './clock.ts';
import type { BlockChain, PrefixCache } from './prefix-cache.ts';
import { type Profile, type StepLoad, stepMs } from './timing.ts';

/** As {@link BatcherOptions.maxCatchUpMs}. */
const MAX_CATCH_UP_MS = 1000;

export interface SequenceSpec {
  readonly promptTokens: number;
  /** 0: only the prompt is computed (embeddings). */
  readonly outputTokens: number;
  /** Blocks of the prompt. Asked for only where there is a prefix cache. */
  blocks?(): BlockChain;
  /** Blocks of prompt and answer: what a follow-up turn can hit. */
  answeredBlocks?(): BlockChain;
  /** Called after a wake-up that made progress, with the tokens produced so far. Not called after `abort`. */
  deliver(produced: number, done: boolean): void;
}

export interface Sequence {
  /** Prompt tokens found in the prefix cache; final once the first token came. */
  readonly cachedTokens: number;
  /** When it came in, and when the step ended that yielded its first token, on the batcher's timeline, real ms; null before. */
  readonly submittedAt: number;
  readonly firstTokenAt: number | null;
}

interface State extends Sequence {
  readonly spec: SequenceSpec;
  /** Earliest start of its first step. */
  readonly readyAt: number;
  cachedTokens: number;
  firstTokenAt: number | null;
  /** Prompt tokens in the KV cache. */
  computed: number;
  produced: number;
  /** Tokens the step under way computes for it. */
  chunk: number;
  /** Finished or aborted. */
  over: boolean;
  aborted: boolean;
}

export interface BatcherOptions {
  readonly profile: Profile;
  readonly clock: BatcherClock;
  /** 2 = twice as slow as the profile. */
  readonly slowdown?: number;
  /** Real ms = simulated ms / timeScale. */
  readonly timeScale?: number;
  readonly cache?: PrefixCache;
  /**
   * A process stopped for longer than this was suspended, and its GPU with it: the lost time is not caught up, ms. Default 1000.
   * Infinite where nobody suspends it, and only its machine may be late.
   */
  readonly maxCatchUpMs?: number;
}

export class Batcher {
  readonly #profile: Profile;
  readonly #clock: BatcherClock;
  readonly #timeScale: number;
  readonly #cache: PrefixCache | undefined;
  readonly #maxCatchUpMs: number;
  readonly #waiting: State[] = [];
  #running: State[] = [];
  #reserved = 0;
  /** Real end of the step under way; null between steps. */
  #stepEndsAt: number | null = null;
  #changed = new Set<State>();
  slowdown: number;

  constructor(options: BatcherOptions) {
    this.#profile = options.profile;
    this.#clock = options.clock;
    this.#timeScale = options.timeScale ?? 1;
    this.#cache = options.cache;
    this.#maxCatchUpMs = options.maxCatchUpMs ?? MAX_CATCH_UP_MS;
    this.slowdown = options.slowdown ?? 1;
  }

  get running(): number {
    return this.#running.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Tokens in the KV cache for running sequences. */
  get residentTokens(): number {
    return this.#running.reduce((sum, s) => sum + s.computed + s.produced, 0);
  }

  /** False when the request is larger than the whole KV cache. */
  fits(promptTokens: number, outputTokens: number): boolean {
    return promptTokens + outputTokens <= this.#profile.kvCapacityTokens;
  }

  /** The spec must fit. On the `instant` profile the whole answer is delivered before this returns. */
  submit(spec: SequenceSpec): Sequence {
    const submittedAt = this.#clock.now();
    const readyAt = submittedAt + this.#real(this.#profile.ingestMs);
    const state: State = {
      spec,
      readyAt,
      submittedAt,
      firstTokenAt: this.#profile.instant === true ? submittedAt : null,
      cachedTokens: 0,
      computed: 0,
      produced: 0,
      chunk: 0,
      over: this.#profile.instant === true,
      aborted: false,
    };
    if (state.over) {
      spec.deliver(spec.outputTokens, true);
      return state;
    }
    this.#waiting.push(state);
    if (this.#stepEndsAt === null) {
      this.#planIdle(submittedAt);
      this.#arm();
    }
    return state;
  }

  /** Takes the sequence out at once: its slot and memory are free for the next step. Harmless when it is over. */
  abort(sequence: Sequence): void {
    const state = sequence as State;
    state.aborted = true;
    if (state.over) return;
    state.over = true;
    const queued = this.#waiting.indexOf(state);
    if (queued >= 0) this.#waiting.splice(queued, 1);
    else this.#leave(state);
    this.#running = this.#running.filter(s => s !== state);
  }

  close(): void {
    this.#clock.cancel();
    for (const state of [...this.#waiting, ...this.#running]) state.over = state.aborted = true;
    this.#waiting.length = 0;
    this.#running = [];
    this.#reserved = 0;
    this.#stepEndsAt = null;
  }

  readonly #wake = (): void => {
    const now = this.#clock.now();
    if (this.#stepEndsAt !== null && now - this.#stepEndsAt > this.#maxCatchUpMs) this.#stepEndsAt = now;
    if (this.#stepEndsAt === null) this.#planIdle(now);
    while (this.#stepEndsAt !== null && this.#stepEndsAt <= now) {
      const end: number = this.#stepEndsAt;
      this.#finishStep(end);
      this.#plan(end);
    }
    this.#arm();
    this.#report();
  };

  /** Nothing runs: what has become ready began then, however late its timer is. */
  #planIdle(now: number): void {
    this.#plan(Math.min(now, this.#waiting[0]?.readyAt ?? now));
  }

  /** Starts a step at `at` when anything can run. */
  #plan(at: number): void {
    this.#stepEndsAt = null;
    const load = this.#load(at);
    if (this.#running.length > 0) this.#stepEndsAt = at + this.#real(stepMs(this.#profile, load));
  }

  /** Wakes up at the end of the step, else when the first waiting sequence may start. */
  #arm(): void {
    const next = this.#stepEndsAt ?? this.#waiting[0]?.readyAt;
    if (next === undefined) this.#clock.cancel();
    else this.#clock.wakeAt(next, this.#wake);
  }

  /** Gives every running sequence its share of the step, then waiting ones what is left of the step's budget. */
  #load(at: number): StepLoad {
    const load = { newTokens: 0, tokenPairs: 0, decodeSeqs: 0, residentTokens: 0 };
    for (const state of this.#running) {
      state.chunk = 0;
      if (state.computed < state.spec.promptTokens) continue;
      state.chunk = 1;
      load.decodeSeqs++;
      load.residentTokens += state.computed + state.produced;
    }
    let budget = Math.max(1, this.#profile.maxBatchedTokens - load.decodeSeqs);
    for (const state of this.#running)
      if (budget > 0 && state.computed < state.spec.promptTokens)
        budget -= this.#prefill(state, budget, load);
    while (budget > 0) {
      const state = this.#admit(at);
      if (state === null) break;
      budget -= this.#prefill(state, budget, load);
    }
    return load;
  }

  /** Computes a chunk of a prompt in this step. @returns its tokens. */
  #prefill(state: State, budget: number, load: { newTokens: number; tokenPairs: number }): number {
    const n = Math.min(state.spec.promptTokens - state.computed, budget);
    state.chunk = n;
    load.newTokens += n;
    load.tokenPairs += n * n + 2 * n * state.computed;
    // vLLM knows a block as cached from when it is scheduled: a prompt behind this one in the same step hits it.
    if (state.computed + n >= state.spec.promptTokens && this.#cache && state.spec.blocks)
      this.#cache.insert(state.spec.blocks());
    return n;
  }

  /**
   * The next waiting sequence, if there is room for it. As in vLLM the cache is asked only now, when its first chunk can be
   * computed: what was computed while it waited counts.
   */
  #admit(at: number): State | null {
    const head = this.#waiting[0];
    if (head === undefined || head.readyAt > at || this.#running.length >= this.#profile.maxNumSeqs)
      return null;
    const need = head.spec.promptTokens + head.spec.outputTokens;
    if (this.#reserved + need > this.#profile.kvCapacityTokens) return null;
    this.#waiting.shift();
    this.#reserved += need;
    this.#running.push(head);
    const hit = this.#cache && head.spec.blocks ? this.#cache.match(head.spec.blocks()) : 0;
    // The last prompt token is always computed: its output is the first token.
    head.cachedTokens = Math.max(0, Math.min(hit, head.spec.promptTokens - 1));
    head.computed = head.cachedTokens;
    return head;
  }

  #finishStep(end: number): void {
    let ended = false;
    for (const state of this.#running) {
      if (state.chunk === 0) continue;
      const decoding = state.computed >= state.spec.promptTokens;
      if (decoding) state.produced++;
      else state.computed += state.chunk;
      if (state.computed < state.spec.promptTokens) continue;
      if (!decoding) {
        state.produced = Math.min(1, state.spec.outputTokens);
        state.firstTokenAt = end;
      }
      this.#changed.add(state);
      if (state.produced < state.spec.outputTokens) continue;
      ended = state.over = true;
      this.#leave(state);
      if (this.#cache && state.spec.answeredBlocks) this.#cache.insert(state.spec.answeredBlocks());
    }
    if (ended) this.#running = this.#running.filter(state => !state.over);
  }

  #leave(state: State): void {
    this.#reserved -= state.spec.promptTokens + state.spec.outputTokens;
  }

  /** Tells after the steps, not during: a receiver may submit or abort. */
  #report(): void {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const state of changed) {
      // An earlier receiver of this round may have aborted it.
      if (!state.aborted) state.spec.deliver(state.produced, state.over);
    }
  }

  #real(simulatedMs: number): number {
    return (simulatedMs * this.slowdown) / this.#timeScale;
  }
}
