/** All placement rules together: a request goes to an owner of its prefix, to a slower worker, or to the lowest bidder. */
import {
  type AffinityTuning,
  type Candidate,
  DEFAULT_AFFINITY,
  decideAmongOwners,
  type Placement,
  timeToFirstToken,
} from './affinity.ts';
import { decideOffload, LEAST_OFFLOAD_TOKENS } from './offload.ts';

/** Prompts below this are computed sooner than looked up, tokens. */
export const LEAST_PREFIX_TOKENS = 1024;
/** Owners remembered for a prefix: a hot one spreads over several. */
export const MAX_OWNERS = 4;

/** Bound work that its worker has not taken after so long moves to where any worker may take it, ms. */
export const BOUND_WAIT_MS = 250;

/** The workers that take work for a model, as one process knows them. What needs a pass over all workers is evaluated only when needed. */
export interface ModelFleet {
  /** Those believed to hold some of the prompt. */
  owners(): readonly Candidate[];
  /** All of them. */
  candidates(): readonly Candidate[];
  /** The one that holds nothing of the prompt and would answer soonest; null where there is none. See {@link soonestOf}. */
  soonest(): Candidate | null;
  /** None of them is faster. */
  readonly fastestTokensPerSec: number;
  /** Mean share of recent time spent working, 0–1. */
  readonly meanLoad: number;
  /** Prefill rate of the fastest of them as learned, tokens/s; 0 where none was. */
  readonly fleetTokensPerSec: number;
}

/** A decision with all its inputs: the ingress logs it for debugging, and the simulator can make it again. */
export interface PlacementEvent {
  readonly promptTokens: number;
  readonly isOwned: boolean;
  readonly known: Pick<ModelFleet, 'fastestTokensPerSec' | 'fleetTokensPerSec' | 'meanLoad'>;
  readonly owners: readonly Candidate[];
  /** The workers as each pass over all of them found them. */
  readonly looks: readonly (readonly Candidate[])[];
  readonly placement: Placement;
}

/** @param isOwned whether anybody is believed to hold some of the prompt. */
export function decidePlacement(
  promptTokens: number,
  isOwned: boolean,
  fleet: ModelFleet,
  tuning: AffinityTuning = DEFAULT_AFFINITY,
): Placement {
  const placement = isOwned
    ? decideAmongOwners(promptTokens, fleet.owners(), fleet, fleet.meanLoad, tuning)
    : NO_MATCH;
  if (placement.kind === 'bound' || promptTokens < LEAST_OFFLOAD_TOKENS) return placement;
  return decideOffload(promptTokens, fleet.candidates(), fleet.fleetTokensPerSec) ?? placement;
}

const NO_MATCH: Placement = { kind: 'shared', reason: 'no_match' };

/** The worker without any of the prompt that would answer soonest. */
export function soonestOf(candidates: Iterable<Candidate>, promptTokens: number): Candidate | null {
  let soonest: Candidate | null = null;
  let leastS = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const seconds = timeToFirstToken(candidate, promptTokens);
    if (candidate.matchedTokens > 0 || seconds >= leastS) continue;
    soonest = candidate;
    leastS = seconds;
  }
  return soonest;
}
