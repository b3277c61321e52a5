/** Decides where a request goes: to the worker that holds its prefix, or to the lowest bidder. Learns where prefixes were served. */
import { hash } from 'node:crypto';
import type { Fleet } from '@penstock/fleet';
import {
  type Affinity as AffinityKind,
  type Candidate,
  decidePlacement,
  decideSession,
  LEAST_OFFLOAD_TOKENS,
  LEAST_PREFIX_TOKENS,
  MAX_OWNERS,
  type Placement,
  type PlacementEvent,
  soonestOf,
  trustedTokens,
} from '@penstock/policy';
import type { PromptUsage } from '@penstock/protocol';
import type { PlacementStore } from '@penstock/transport';
import { countUsage, type IngressMetrics } from '../metrics.ts';
import { BLOCK_BYTES, checkpoints, promptChain } from './prefix-chain.ts';

export interface AffinityRequest {
  readonly slug: string;
  /** Digest of the API key. */
  readonly tenant: string;
  /** `prompt_cache_key`: what differs in it is kept apart. */
  readonly cacheKey: string | null;
  /** What its session is known by; asked only where the model's requests are bound by session. */
  readonly sessionKey: () => string | null;
  readonly promptTokens: number;
  readonly text: () => Buffer;
}

/** What of a request decides where it goes: kept, where it waits for its turn, without its prompt. */
export interface PlacingKey extends Pick<AffinityRequest, 'promptTokens' | 'slug' | 'tenant'> {
  /** What its session is known by; null where its prefix counts. */
  readonly session: string | null;
  readonly chain: readonly string[];
  readonly textBytes: number;
}

/** Kept with the request until it is known which worker runs it. */
export interface PrefixLookup {
  readonly chain: readonly string[];
  readonly owners: readonly (readonly string[])[];
  /** Prompt tokens, as estimated. */
  readonly promptTokens: number;
  /** Worker → tokens that its cache should hold, whether it is trusted or not. */
  readonly expected: ReadonlyMap<string, number>;
}

export interface Placed {
  readonly placement: Placement;
  readonly lookup: PrefixLookup | null;
  /** Worker → leading prompt tokens that its cache is believed to hold. */
  readonly held: Readonly<Record<string, number>>;
}

const NOWHERE: Placed = { placement: { kind: 'shared', reason: 'no_match' }, lookup: null, held: {} };

export class Affinity {
  readonly #store: PlacementStore;
  readonly #fleet: Fleet;
  readonly #metrics: IngressMetrics;
  readonly #kindOf: (slug: string) => AffinityKind;
  readonly #observe: ((event: PlacementEvent) => void) | undefined;

  constructor(
    store: PlacementStore,
    fleet: Fleet,
    metrics: IngressMetrics,
    kindOf: (slug: string) => AffinityKind,
    observe?: (event: PlacementEvent) => void,
  ) {
    this.#store = store;
    this.#fleet = fleet;
    this.#metrics = metrics;
    this.#kindOf = kindOf;
    this.#observe = observe;
  }

  /** Null where any worker may have it. */
  keyOf(request: AffinityRequest): PlacingKey | null {
    const { slug, tenant, promptTokens } = request;
    const kind = this.#kindOf(slug);
    if (kind === 'none') return null;
    if (kind === 'session') {
      const session = request.sessionKey();
      return session === null ? null : { slug, tenant, promptTokens, session, chain: [], textBytes: 0 };
    }
    if (promptTokens < LEAST_PREFIX_TOKENS) return null;
    const text = request.text();
    const chain = promptChain(`${tenant} ${slug} ${request.cacheKey ?? ''}`, text);
    return chain.length === 0
      ? null
      : { slug, tenant, promptTokens, session: null, chain, textBytes: text.length };
  }

  /** Decides synchronously if nothing has to be looked up. */
  place(key: PlacingKey | null): Placed | Promise<Placed> {
    if (key === null) return NOWHERE;
    return key.session === null ? this.#placePrefix(key) : this.#placeSession(key, key.session);
  }

  async #placePrefix(request: PlacingKey): Promise<Placed> {
    const { chain } = request;
    const owners = await this.#store.lookup(chain);
    const expected = this.#heldTokens(owners, (request.promptTokens * BLOCK_BYTES) / request.textBytes);
    const matched = new Map<string, number>();
    for (const [worker, tokens] of expected)
      matched.set(worker, trustedTokens(tokens, this.#fleet.trustIn(worker)));
    const placement = this.#choose(request, matched);
    const lookup = { chain, owners, promptTokens: request.promptTokens, expected };
    return { placement, lookup, held: Object.fromEntries(matched) };
  }

  #choose({ slug, promptTokens }: PlacingKey, matched: ReadonlyMap<string, number>): Placement {
    if (matched.size === 0 && promptTokens < LEAST_OFFLOAD_TOKENS) return NOWHERE.placement;
    const { fastestTokensPerSec, meanLoad } = this.#fleet.summary(slug);
    const known = { fastestTokensPerSec, meanLoad, fleetTokensPerSec: this.#fleet.fleetRate(slug) };
    const owners = this.#fleet.owners(slug, matched);
    const looks: Candidate[][] = [];
    const candidates = () => {
      const all = this.#fleet.candidates(slug, matched);
      if (this.#observe !== undefined) looks.push(all);
      return all;
    };
    const placement = decidePlacement(promptTokens, matched.size > 0, {
      ...known,
      owners: () => owners,
      candidates,
      soonest: () => soonestOf(candidates(), promptTokens),
    });
    this.#observe?.({ promptTokens, isOwned: matched.size > 0, known, owners, looks, placement });
    return placement;
  }

  /** Worker → tokens of the longest known prefix that its cache can still hold. Blocks are of bytes: a prompt's own tokens tell how many they are. */
  #heldTokens(owners: readonly (readonly string[])[], tokensPerBlock: number): Map<string, number> {
    const held = new Map<string, number>();
    for (const [i, entries] of owners.entries()) {
      for (const { worker, stamp } of entries.map(ownerOf))
        if (this.#fleet.mayHold(worker, stamp)) held.set(worker, Math.round((i + 1) * tokensPerBlock));
    }
    return held;
  }

  #placeSession({ tenant, slug, promptTokens }: PlacingKey, session: string): Placed {
    const candidates = this.#fleet.candidates(slug, new Map());
    const hashOf = (worker: string) =>
      hash('sha1', `${tenant} ${slug} ${session} ${worker}`, 'buffer').readUInt32BE(0);
    return { placement: decideSession(promptTokens, candidates, hashOf), lookup: null, held: {} };
  }

  /**
   * An answer is complete. The prompt tokens that its engine reports are counted, and correct the trust in the worker's cache.
   * The placement stays: whatever was missing in the cache has now been computed there.
   */
  hear(slug: string, lookup: PrefixLookup | null, worker: string, usage: PromptUsage): void {
    const expected =
      lookup === null ? 0 : (lookup.expected.get(worker) ?? 0) / Math.max(1, lookup.promptTokens);
    countUsage(this.#metrics, slug, usage, expected * usage.promptTokens);
    if (usage.cachedTokens !== null)
      this.#fleet.judgeCache(worker, expected, usage.cachedTokens / Math.max(1, usage.promptTokens));
  }

  /** A worker took the request: its cache holds the prefix from now on. */
  learn(lookup: PrefixLookup, worker: string): void {
    const stamp = this.#fleet.cacheTokensOf(worker);
    if (stamp === null) return;
    const entries = checkpoints(lookup.chain.length).map(i => {
      const others = (lookup.owners[i] ?? []).filter(owner => ownerOf(owner).worker !== worker);
      return {
        prefix: lookup.chain[i] ?? '',
        owners: [`${worker}:${stamp}`, ...others].slice(0, MAX_OWNERS),
      };
    });
    this.#store.learn(entries);
  }
}

/** `worker:stamp`, the stamp being what the worker had put into its cache by then. */
function ownerOf(text: string): { worker: string; stamp: number } {
  const at = text.lastIndexOf(':');
  return { worker: text.slice(0, at), stamp: Number(text.slice(at + 1)) };
}
