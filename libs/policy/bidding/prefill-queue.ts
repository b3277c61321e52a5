/**
 * The prompts that the engine has yet to prefill, and its prefill rate. Engines compute prompts in the order they came (vLLM,
 * SGLang: first come, first served), so the oldest prompt without a first token is the one in prefill: the head.
 *
 * The rate is learned from how long the head was the head. Prompts whose first tokens come together were computed in one
 * step and are one observation. An answer that is not streamed shows no first token: its prefill is taken to last as long
 * as the rate says, and teaches nothing.
 */
import { ASSUMED_TOKENS_PER_SEC, learnRate, recoverRate } from './prefill-rate.ts';

/** First tokens this close together came from one step, ms. */
export const SAME_STEP_MS = 4;
/**
 * The fixed part of a step, in prompt tokens: reading the weights takes as long as computing this many (170 to 330 in the
 * profiles of `services/engine-sim/batching/timing.ts`). Without it an engine that gets tiny prompts would look slow, be given few at
 * once, and look slower still.
 */
export const STEP_TOKENS = 256;

/** Silence after which the rate begins to recover, ms. */
const RECOVER_AFTER_MS = 2000;
/** What is left of the best rate after each observation. */
const FORGET_BEST = 0.999;

interface Prompt<Id> {
  readonly id: Id;
  readonly tokens: number;
  readonly at: number;
  readonly silent: boolean;
}

/** What {@link PrefillQueue.look} sees. */
export interface PrefillState {
  /** Tokens still to prefill. */
  readonly tokens: number;
  /** The prompt in prefill, with how long it has been computed, s. */
  readonly head: { readonly tokens: number; readonly elapsedS: number } | null;
}

const NOTHING: PrefillState = { tokens: 0, head: null };

/** @typeParam Id identifies requests: their ids in the worker, numbers in the simulator. */
export class PrefillQueue<Id = string> {
  /** Oldest first: nearly always the first one goes. */
  readonly #prompts: Prompt<Id>[] = [];
  #tokens = 0;
  #rate = 0;
  /** Highest rate so far, slowly decaying. */
  #best = 0;
  #learnedAt = 0;
  #learnedTokens = 0;
  /** When the head became the head, at the earliest. */
  #freeAt = 0;
  /** First tokens of the latest step, an observation still to be learned from. */
  #step: { tokens: number; seconds: number; at: number } | null = null;

  /** Tokens per second as learned; 0 before anything was. */
  get learnedRate(): number {
    return this.#rate;
  }

  /** Whether time alone changes nothing here: no prompt waits, and no observation is pending. */
  get settled(): boolean {
    return this.#prompts.length === 0 && this.#step === null;
  }

  /** Prompts without a first token. */
  get size(): number {
    return this.#prompts.length;
  }

  get rate(): number {
    return this.#rate === 0 ? ASSUMED_TOKENS_PER_SEC : this.#rate;
  }

  /** @param silent the answer will show no first token. */
  add(id: Id, tokens: number, now: number, silent: boolean): void {
    this.#remove(id);
    this.#prompts.push({ id, tokens, at: now, silent });
    this.#tokens += tokens;
  }

  /** The first token of a prompt came. */
  done(id: Id, now: number): void {
    const prompt = this.#remove(id);
    if (prompt === null || prompt.silent) return;
    const step = this.#step;
    if (step !== null && now - step.at < SAME_STEP_MS) {
      step.tokens += prompt.tokens;
      step.at = now;
    } else {
      this.#learn();
      this.#step = {
        tokens: prompt.tokens,
        seconds: (now - Math.max(prompt.at, this.#freeAt)) / 1000,
        at: now,
      };
    }
    this.#freeAt = now;
  }

  /** The prompt went without a first token: cancelled, failed, or answered whole. */
  drop(id: Id): void {
    this.#remove(id);
  }

  look(now: number): PrefillState {
    if (this.#step !== null && now - this.#step.at >= SAME_STEP_MS) this.#learn();
    for (let prompt = this.#prompts[0]; prompt !== undefined; prompt = this.#prompts[0]) {
      const startedAt = Math.max(prompt.at, this.#freeAt);
      const endsAt = startedAt + (1000 * prompt.tokens) / this.rate;
      if (!prompt.silent || now < endsAt) {
        return { tokens: this.#tokens, head: { tokens: prompt.tokens, elapsedS: (now - startedAt) / 1000 } };
      }
      this.#removeAt(0);
      this.#freeAt = endsAt;
    }
    return NOTHING;
  }

  /** Called once a second: an engine without requests may have recovered. */
  recover(now: number): void {
    if (this.#rate > 0 && now - this.#learnedAt > RECOVER_AFTER_MS)
      this.#rate = recoverRate(this.#rate, this.#best);
  }

  #learn(): void {
    const step = this.#step;
    this.#step = null;
    if (step === null || step.seconds <= 0) return;
    const tokens = step.tokens + STEP_TOKENS;
    this.#rate = learnRate(this.#rate, tokens, step.seconds, this.#learnedTokens);
    this.#learnedTokens += tokens;
    this.#best = Math.max(this.#rate, this.#best * FORGET_BEST);
    this.#learnedAt = step.at;
  }

  #remove(id: Id): Prompt<Id> | null {
    return this.#removeAt(this.#prompts.findIndex(prompt => prompt.id === id));
  }

  #removeAt(index: number): Prompt<Id> | null {
    if (index < 0) return null;
    // Mostly it is the oldest, and `splice` makes an array of what it removes.
    const prompt = index === 0 ? this.#prompts.shift() : this.#prompts.splice(index, 1)[0];
    if (prompt === undefined) return null;
    this.#tokens -= prompt.tokens;
    return prompt;
  }
}
