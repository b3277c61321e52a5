/** The engine behind the HTTP routes: its models and batchers, a ledger of what it did, and switches for tests. */
import { randomBytes } from 'node:crypto';
import { Batcher } from '../batching/batcher.ts';
import { timerClock } from '../batching/clock.ts';
import { DEFAULT_BLOCK_TOKENS, PrefixCache } from '../batching/prefix-cache.ts';
import { PROFILES, type Profile } from '../batching/timing.ts';
import type { Dialect } from './dialect.ts';
import { type EngineStats, Ledger } from './ledger.ts';

/** Most different speeds for `sim-slow-<factor>`; each has a batcher. */
const MAX_SLOW_BATCHERS = 32;
/** Prompts `sim-fail-once` remembers. */
const MAX_FAILED_PROMPTS = 10_000;

export interface EngineOptions {
  /** Default `sim-chat` and `sim-embed`. */
  readonly models?: readonly string[] | undefined;
  /** Name in the profile table, or a custom profile. Default `dense-8b-h100`. */
  readonly profile?: string | Profile | undefined;
  /** 2 = twice as slow as the profile. */
  readonly slowdown?: number | undefined;
  /** Real ms = simulated ms / timeScale. */
  readonly timeScale?: number | undefined;
  /** Longest lateness of the process that its steps catch up, ms. Default 1000. */
  readonly maxCatchUpMs?: number | undefined;
  readonly maxNumSeqs?: number | undefined;
  /** KV memory in blocks of `blockTokens`; default is the profile's. */
  readonly kvBlocks?: number | undefined;
  /** Tokens in one block of the prefix cache. Default 16. */
  readonly blockTokens?: number | undefined;
  /** False: nothing is ever found in the cache. */
  readonly prefixCache?: boolean | undefined;
  /** Most tokens in one event of a stream, as with speculative decoding. Default 1. */
  readonly tokensPerChunk?: number | undefined;
  /** Shows the sentinel models in the model list, so that a dispatcher learns them. */
  readonly listSentinels?: boolean | undefined;
  /** False: sentinel names are ordinary models here. A fleet of faulty and sound engines needs both. */
  readonly obeySentinels?: boolean | undefined;
  /** What it can be asked beside chat, completions and embeddings: `rerank`, `messages`, …. Default all. */
  readonly endpoints?: readonly string[] | undefined;
  /** Whose metrics and settings it shows, see `api/metrics.ts`. Default `vllm`, which tells no limit of its own. */
  readonly dialect?: Dialect | undefined;
}

export class EngineState {
  readonly models: readonly string[];
  readonly profile: Profile;
  readonly blockTokens: number;
  readonly listSentinels: boolean;
  readonly obeySentinels: boolean;
  readonly dialect: Dialect;
  readonly tokensPerChunk: number;
  readonly #endpoints: ReadonlySet<string> | null;
  readonly ledger = new Ledger();
  /** Unix seconds. */
  readonly startedAt = Math.floor(Date.now() / 1000);
  healthy = true;
  /** Share of requests answered with an error, 0–1. */
  errorShare = 0;
  /** Takes requests and never answers. */
  hangs = false;
  #errorDebt = 0;
  /** Requests that hang on purpose: they look like running ones. */
  hanging = 0;
  readonly #idPrefix = randomBytes(6).toString('hex');
  readonly #timeScale: number;
  readonly #maxCatchUpMs: number | undefined;
  readonly #cache: PrefixCache | undefined;
  /** By the slowdown factor that requests ask for; 1 is for all other requests. */
  readonly #batchers = new Map<number, Batcher>();
  readonly #failedOnce = new Set<string>();
  #slowdown: number;
  #ids = 0;

  constructor(options: EngineOptions) {
    this.models = options.models ?? ['sim-chat', 'sim-embed'];
    this.blockTokens = options.blockTokens ?? DEFAULT_BLOCK_TOKENS;
    this.profile = resolveProfile(options, this.blockTokens);
    this.listSentinels = options.listSentinels ?? false;
    this.obeySentinels = options.obeySentinels ?? true;
    this.#endpoints = options.endpoints === undefined ? null : new Set(options.endpoints);
    this.dialect = options.dialect ?? 'vllm';
    this.tokensPerChunk = options.tokensPerChunk ?? 1;
    this.#slowdown = options.slowdown ?? 1;
    this.#timeScale = options.timeScale ?? 1;
    this.#maxCatchUpMs = options.maxCatchUpMs;
    if (options.prefixCache !== false && !this.profile.instant)
      this.#cache = new PrefixCache(this.profile.kvCapacityTokens);
  }

  /** Whether it has a route that engines may lack. */
  has(endpoint: string): boolean {
    return this.#endpoints === null || this.#endpoints.has(endpoint);
  }

  get slowdown(): number {
    return this.#slowdown;
  }

  /** From the next step on. */
  set slowdown(factor: number) {
    this.#slowdown = factor;
    for (const [own, batcher] of this.#batchers) batcher.slowdown = factor * own;
  }

  /** The batcher for requests that ask to be `factor` times slower. It is separate so that other requests are not slowed down. */
  batcher(factor = 1): Batcher {
    const known = this.#batchers.get(factor);
    if (known) return known;
    if (this.#batchers.size >= MAX_SLOW_BATCHERS) return this.batcher(1);
    const batcher = new Batcher({
      profile: this.profile,
      clock: timerClock(),
      slowdown: this.#slowdown * factor,
      timeScale: this.#timeScale,
      ...(this.#cache ? { cache: this.#cache } : {}),
      ...(this.#maxCatchUpMs === undefined ? {} : { maxCatchUpMs: this.#maxCatchUpMs }),
    });
    this.#batchers.set(factor, batcher);
    return batcher;
  }

  /** Spreads errors evenly: every n requests contain the configured share. */
  get errsNow(): boolean {
    this.#errorDebt += this.errorShare;
    if (this.#errorDebt < 1) return false;
    this.#errorDebt--;
    return true;
  }

  /** True once per prompt. */
  failsNow(promptHash: string): boolean {
    if (this.#failedOnce.has(promptHash)) return false;
    if (this.#failedOnce.size >= MAX_FAILED_PROMPTS) this.#failedOnce.clear();
    this.#failedOnce.add(promptHash);
    return true;
  }

  nextId(): string {
    return `${this.#idPrefix}${(this.#ids++).toString(36)}`;
  }

  get running(): number {
    return this.#sum(batcher => batcher.running) + this.hanging;
  }

  get waiting(): number {
    return this.#sum(batcher => batcher.waiting);
  }

  /** KV memory in use, 0 to 1. */
  get kvUse(): number {
    return Math.min(1, this.#sum(batcher => batcher.residentTokens) / this.profile.kvCapacityTokens);
  }

  stats(): EngineStats {
    const { running, waiting, ledger } = this;
    const { started, finished, aborted, failed, mismatchedContinuations } = ledger;
    const { promptTokens, generationTokens, cachedTokens } = ledger;
    const counts = { running, waiting, started, finished, aborted, failed, mismatchedContinuations };
    return { ...counts, promptTokens, generationTokens, cachedTokens, startedIds: ledger.recent() };
  }

  close(): void {
    for (const batcher of this.#batchers.values()) batcher.close();
  }

  #sum(of: (batcher: Batcher) => number): number {
    let sum = 0;
    for (const batcher of this.#batchers.values()) sum += of(batcher);
    return sum;
  }
}

function resolveProfile(options: EngineOptions, blockTokens: number): Profile {
  const given = options.profile ?? 'dense-8b-h100';
  const base = typeof given === 'string' ? PROFILES[given] : given;
  if (!base) throw new Error(`no such profile; there are ${Object.keys(PROFILES).join(', ')}`);
  return {
    ...base,
    maxNumSeqs: options.maxNumSeqs ?? base.maxNumSeqs,
    kvCapacityTokens: options.kvBlocks ? options.kvBlocks * blockTokens : base.kvCapacityTokens,
  };
}
