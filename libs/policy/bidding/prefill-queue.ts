/**
 * The prompts that the engine has yet to prefill, and its prefill rate. Engines compute prompts in the order they came (vLLM,
 * SGLang: first come, first served), so the oldest prompt without a first token is the one in prefill: the head.
 *
 * The rate is learned from how long the head was the head. Prompts whose first tokens come together were computed in one
 * step and are one observation. An answer that is not streamed shows no first token: its prefill is taken to last as long
 * as the rate says, and teaches nothing.
 */
import { ASSUMED_TOKENS_PER_SEC, learnRate, recoverRate } from './prefill-rate.ts';
import type { Filled, PrefillLoad } from './worker-load.ts';

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
  /** The one that came after it. */
  next: Prompt<Id> | null;
}

/** @typeParam Id identifies requests: their ids in the worker, numbers in the simulator. */
export class PrefillQueue<Id = string> {
  /** A list: an array that gets its only item and loses it again is allocated anew each time. */
  #oldest: Prompt<Id> | null = null;
  #newest: Prompt<Id> | null = null;
  #size = 0;
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
  readonly #head = { tokens: 0, elapsedS: 0 };
  readonly #seen: Filled<PrefillLoad> = {
    prefillBacklogTokens: 0,
    head: null,
    prefillTokensPerSec: 0,
  };

  /** Tokens per second as learned; 0 before anything was. */
  get learnedRate(): number {
    return this.#rate;
  }

  /** Whether time alone changes nothing here: no prompt waits, and no observation is pending. */
  get settled(): boolean {
    return this.#oldest === null && this.#step === null;
  }

  /** Prompts without a first token. */
  get size(): number {
    return this.#size;
  }

  get rate(): number {
    return this.#rate === 0 ? ASSUMED_TOKENS_PER_SEC : this.#rate;
  }

  /** @param silent the answer will show no first token. */
  add(id: Id, tokens: number, now: number, silent: boolean): void {
    this.#remove(id);
    const prompt = { id, tokens, at: now, silent, next: null };
    if (this.#newest === null) this.#oldest = prompt;
    else this.#newest.next = prompt;
    this.#newest = prompt;
    this.#size++;
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

  /** The record is the queue's own, filled anew by each look: there are a dozen for each request that a simulation of a large fleet runs. */
  look(now: number): PrefillLoad {
    if (this.#step !== null && now - this.#step.at >= SAME_STEP_MS) this.#learn();
    const seen = this.#seen;
    seen.prefillBacklogTokens = 0;
    seen.head = null;
    seen.prefillTokensPerSec = this.rate;
    for (let prompt = this.#oldest; prompt !== null; prompt = this.#oldest) {
      const startedAt = Math.max(prompt.at, this.#freeAt);
      const endsAt = prompt.silent
        ? startedAt + (1000 * prompt.tokens) / seen.prefillTokensPerSec
        : Number.POSITIVE_INFINITY;
      if (now < endsAt) {
        this.#head.tokens = prompt.tokens;
        this.#head.elapsedS = (now - startedAt) / 1000;
        seen.prefillBacklogTokens = this.#tokens;
        seen.head = this.#head;
        break;
      }
      this.#unlink(prompt, null);
      this.#freeAt = endsAt;
    }
    return seen;
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
    let before: Prompt<Id> | null = null;
    for (let prompt = this.#oldest; prompt !== null; prompt = prompt.next) {
      if (prompt.id === id) {
        this.#unlink(prompt, before);
        return prompt;
      }
      before = prompt;
    }
    return null;
  }

  #unlink(prompt: Prompt<Id>, before: Prompt<Id> | null): void {
    if (before === null) this.#oldest = prompt.next;
    else before.next = prompt.next;
    if (prompt.next === null) this.#newest = before;
    this.#size--;
    this.#tokens -= prompt.tokens;
  }
}
