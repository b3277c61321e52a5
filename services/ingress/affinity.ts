/** Where a request goes: to the worker that holds its prefix, or to whoever bids lowest. Placements are learned. */
import { hash } from 'node:crypto';
import { type Affinity as AffinityKind, decidePrefix, decideSession, type Placement } from '@penstock/policy';
import type { PlacementStore } from '@penstock/transport';
import type { Fleet } from './fleet.ts';
import { BLOCK_TOKENS, landmarks, promptChain } from './prompt-chain.ts';

/** Prompts below this are computed sooner than looked up, tokens. */
const LEAST_TOKENS = 2 * BLOCK_TOKENS;
/** Owners remembered for a prefix: a hot one spreads over several. */
const MAX_OWNERS = 4;

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

/** Remembered with the request, for when it is known who runs it. */
export interface PrefixTrail {
  readonly chain: readonly string[];
  readonly owners: readonly (readonly string[])[];
}

export interface Placed {
  readonly placement: Placement;
  readonly trail: PrefixTrail | null;
  /** Worker → leading prompt tokens that its cache is believed to hold. */
  readonly held: Readonly<Record<string, number>>;
}

const NOWHERE: Placed = { placement: { kind: 'shared', reason: 'no_match' }, trail: null, held: {} };

export class Affinity {
  readonly #store: PlacementStore;
  readonly #fleet: Fleet;
  readonly #kindOf: (slug: string) => AffinityKind;

  constructor(store: PlacementStore, fleet: Fleet, kindOf: (slug: string) => AffinityKind) {
    this.#store = store;
    this.#fleet = fleet;
    this.#kindOf = kindOf;
  }

  /** Decides without waiting where nothing is to be looked up. */
  place(request: AffinityRequest): Placed | Promise<Placed> {
    const kind = this.#kindOf(request.slug);
    if (kind === 'none') return NOWHERE;
    if (kind === 'session') return this.#placeSession(request);
    return request.promptTokens < LEAST_TOKENS ? NOWHERE : this.#placePrefix(request);
  }

  async #placePrefix(request: AffinityRequest): Promise<Placed> {
    const seed = `${request.tenant} ${request.slug} ${request.cacheKey ?? ''}`;
    const chain = promptChain(seed, request.text());
    if (chain.length === 0) return NOWHERE;
    const owners = await this.#store.lookup(chain);
    const matched = this.#heldTokens(owners);
    const placement: Placement =
      matched.size === 0 ? { kind: 'shared', reason: 'no_match' } : this.#preferOwner(request, matched);
    return { placement, trail: { chain, owners }, held: Object.fromEntries(matched) };
  }

  #preferOwner({ slug, promptTokens }: AffinityRequest, matched: ReadonlyMap<string, number>): Placement {
    const candidates = this.#fleet.candidates(slug, matched);
    const load = candidates.reduce((sum, candidate) => sum + candidate.load, 0);
    return decidePrefix(promptTokens, candidates, load / Math.max(1, candidates.length));
  }

  /** Worker → tokens of the longest known prefix that its cache can still hold. */
  #heldTokens(owners: readonly (readonly string[])[]): Map<string, number> {
    const held = new Map<string, number>();
    for (const [i, entries] of owners.entries()) {
      for (const { worker, stamp } of entries.map(ownerOf))
        if (this.#fleet.mayHold(worker, stamp)) held.set(worker, (i + 1) * BLOCK_TOKENS);
    }
    return held;
  }

  #placeSession(request: AffinityRequest): Placed {
    const { tenant, slug } = request;
    const key = request.sessionKey();
    if (key === null) return NOWHERE;
    const candidates = this.#fleet.candidates(slug, new Map());
    const hashOf = (worker: string) =>
      hash('sha1', `${tenant} ${slug} ${key} ${worker}`, 'buffer').readUInt32BE(0);
    return { placement: decideSession(request.promptTokens, candidates, hashOf), trail: null, held: {} };
  }

  /** A worker took the request: its cache holds the prefix from now on. */
  learn(trail: PrefixTrail, worker: string): void {
    const stamp = this.#fleet.cacheTokensOf(worker);
    if (stamp === null) return;
    const entries = landmarks(trail.chain.length).map(i => {
      const others = (trail.owners[i] ?? []).filter(owner => ownerOf(owner).worker !== worker);
      return { prefix: trail.chain[i] ?? '', owners: [`${worker}:${stamp}`, ...others].slice(0, MAX_OWNERS) };
    });
    this.#store.learn(entries);
  }
}

/** `worker:stamp`, the stamp being what the worker had put into its cache by then. */
function ownerOf(text: string): { worker: string; stamp: number } {
  const at = text.lastIndexOf(':');
  return { worker: text.slice(0, at), stamp: Number(text.slice(at + 1)) };
}
