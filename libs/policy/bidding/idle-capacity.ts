/** What a worker offers the broker for the lower lanes, which only take idle capacity. */
import {
  type BidDecision,
  type BidState,
  type BidTuning,
  DEFAULT_TUNING,
  KV_FULL,
  MAX_BATCH,
} from './bid.ts';
import { fitting } from './kv-room.ts';
import { idealWait, MAX_LEVEL } from './level.ts';
import { kvPressure, prefillAheadS, type WorkerLoad } from './worker-load.ts';

/** Share of the slots that a lower lane may fill, and how much prefill may be ahead of it, in ideal waits of a medium prompt. */
const SHARES = { background: { share: 0.75, ahead: 2 }, batch: { share: 0.5, ahead: 1 } } as const;

/** What to offer the broker now for a lane that takes idle capacity only. The level is how full the worker is. */
export function decideIdleCapacityBid(
  load: WorkerLoad,
  lane: keyof typeof SHARES,
  state: Pick<BidState, 'sick' | 'draining' | 'fleetTokensPerSec'>,
  tuning: BidTuning = DEFAULT_TUNING,
): BidDecision {
  if (state.draining) return { kind: 'pass', reason: 'draining' };
  if (state.sick) return { kind: 'pass', reason: 'sick' };
  const fits = fitting(load.kvFreeTokens, load.running, tuning.typical.medium);
  if (fits < 1 || kvPressure(load) > KV_FULL) return { kind: 'pass', reason: 'kv_full' };
  const { share, ahead } = SHARES[lane];
  const room = Math.ceil(load.slots * share) - load.running;
  if (room <= 0) return { kind: 'pass', reason: 'full' };
  const ideal = idealWait(tuning.typical.medium, state.fleetTokensPerSec);
  // An overdue head alone keeps nobody out, or one slow prompt would stop the lane: what is taken beside it shows if the engine answers.
  if (prefillAheadS(load, 0) > ahead * ideal)
    return { kind: 'pass', reason: 'over_reserve', validS: ideal / 4 };
  const level = Math.min(MAX_LEVEL, Math.floor((10 * load.running) / load.slots));
  const batch = Math.max(1, Math.min(MAX_BATCH, Math.floor(room / 4), fits));
  return { kind: 'bid', level, batch, validS: Number.POSITIVE_INFINITY, overReserve: false, reason: 'room' };
}
