/**
 * All bids of one worker, decided together. All models of an engine share its load, so there is one decision for each kind of
 * work, however many models there are.
 *
 * What the rules remember from one renewal to the next is plain data ({@link BidMemory}): state and time go in, decisions and
 * the new state come out. The worker and the simulator call the same functions.
 */
import { type BidDecision, type BidState, type BidTuning, decideBid } from './bid.ts';
import { decideIdleCapacityBid } from './idle-capacity.ts';
import { fitting } from './kv-room.ts';
import { ofSize, type PromptSize, SIZE_CLASSES } from './size-class.ts';
import { type Filled, newPace, type Pace, paceOf, type WorkerLoad } from './worker-load.ts';

/** A kind of work that a worker bids for. `bound` is work that only this worker may take. */
export type WorkKind =
  | { readonly lane: 'interactive'; readonly size: PromptSize }
  | { readonly lane: 'background' | 'batch' | 'bound'; readonly size: 'any' };

/** All of them, in the order in which a worker bids. */
export const WORK_KINDS: readonly WorkKind[] = [
  ...SIZE_CLASSES.map(size => ({ lane: 'interactive' as const, size })),
  { lane: 'background', size: 'any' },
  { lane: 'batch', size: 'any' },
  { lane: 'bound', size: 'any' },
];

/** The state of the worker that all its bids depend on. */
export interface WorkerStanding {
  readonly load: WorkerLoad;
  readonly sick: boolean;
  readonly draining: boolean;
  /** Prefill rate of the fleet's fastest worker, tokens/s. */
  readonly fleetTokensPerSec: number;
}

/** What is remembered between renewals. Times are monotonic ms. */
export interface BidMemory {
  /** Mean prompt length of the requests taken from a class recently, tokens. */
  readonly meanTokens: Readonly<Record<PromptSize, number>>;
  /** Since when a class is over its reserve price; null while it is not. */
  readonly overSince: Readonly<Record<PromptSize, number | null>>;
  /** When the worker was last seen full; null before it ever was. */
  readonly fullAt: number | null;
  /** Consumers whose work is handed back for want of room, and since when; longest ago first. */
  readonly handedBack: readonly HandedBack[];
}

export interface HandedBack {
  readonly slot: string;
  readonly since: number;
}

/** What a renewal decides. */
export interface BidRound {
  /** In the order of the kinds asked for. */
  readonly decisions: readonly BidDecision[];
  /** After this the decisions change even if nothing happens, s. */
  readonly validS: number;
  readonly memory: BidMemory;
}

/** Weight of one request in the mean prompt length of its class. */
const LEARN_MEAN = 0.1;
/**
 * Lower lanes are offered the room of a worker that was full only when no interactive work has taken it for this long, ms. A few
 * round trips to the broker.
 */
const IDLE_AFTER_MS = 20;
/** Work that a full worker has handed back for this long is offered its next room first, ms. */
const TURN_MS = 1000;
/**
 * Renewals are at least this far apart, ms, or this far for each pull where a worker has many models: each revocation costs the
 * broker three commands, and no worker may cost it more than 5,000 of them a second.
 */
const RENEWAL_MS = 2;
const RENEWAL_MS_A_PULL = 0.2;

/** Filled anew for each round, and within it for each class: objects made for each took a fifth of the memory that a simulation goes through. */
const STATE: Filled<BidState> = {
  sick: false,
  draining: false,
  fleetTokensPerSec: 0,
  overReserveS: 0,
  meanTokens: 0,
};
const PACE = newPace();
const NO_ROOM: BidDecision = { kind: 'pass', reason: 'full' };
const NEVER_OVER = { short: null, medium: null, long: null };

export function newBidMemory({ typical }: BidTuning): BidMemory {
  return {
    meanTokens: withSize(typical, 'short', typical.short),
    overSince: NEVER_OVER,
    fullAt: null,
    handedBack: [],
  };
}

/** A request was taken: the next of its class is likely to be about as long. */
export function rememberTaken(memory: BidMemory, size: PromptSize, promptTokens: number): BidMemory {
  const mean = ofSize(memory.meanTokens, size);
  const meanTokens = withSize(memory.meanTokens, size, mean + LEARN_MEAN * (promptTokens - mean));
  const { overSince, fullAt, handedBack } = memory;
  return { meanTokens, overSince, fullAt, handedBack };
}

/** Work of a consumer came too late and was handed back. */
export function rememberHandedBack(memory: BidMemory, slot: string, now: number): BidMemory {
  if (memory.handedBack.some(each => each.slot === slot)) return memory;
  return { ...memory, handedBack: [...memory.handedBack, { slot, since: now }] };
}

/** Work of a consumer was taken: it has had its turn. */
export function forgetHandedBack(memory: BidMemory, slot: string): BidMemory {
  if (!memory.handedBack.some(each => each.slot === slot)) return memory;
  return { ...memory, handedBack: memory.handedBack.filter(each => each.slot !== slot) };
}

/**
 * A worker with one free slot offers it to every consumer at once and hands back what comes too late. The broker serves pulls in
 * the order they come in, so consumers whose work has long been handed back go first.
 */
export function inTurn<Slot extends { readonly id: string }>(
  slots: readonly Slot[],
  { handedBack }: BidMemory,
  now: number,
): readonly Slot[] {
  if (handedBack.length === 0) return slots;
  const due = handedBack.filter(({ since }) => now - since >= TURN_MS).map(({ slot }) => slot);
  if (due.length === 0) return slots;
  const first = due.flatMap(id => slots.find(slot => slot.id === id) ?? []);
  return [...first, ...slots.filter(slot => !due.includes(slot.id))];
}

/** How far apart the renewals of a worker with so many pulls are at least, ms. */
export function renewalPauseMs(pulls: number): number {
  return Math.max(RENEWAL_MS, RENEWAL_MS_A_PULL * pulls);
}

/** What to offer the broker now for each of the kinds of work. */
export function decideBids(
  kinds: readonly WorkKind[],
  standing: WorkerStanding,
  memory: BidMemory,
  tuning: BidTuning,
  now: number,
): BidRound {
  const { load } = standing;
  // Only quotes need it, and bound work is offered without one.
  let pace: Pace | null = null;
  const fullAt = load.running >= load.slots ? now : memory.fullAt;
  const idleInMs = fullAt === null ? 0 : fullAt + IDLE_AFTER_MS - now;
  STATE.sick = standing.sick;
  STATE.draining = standing.draining;
  STATE.fleetTokensPerSec = standing.fleetTokensPerSec;
  let { overSince } = memory;
  let validS = Number.POSITIVE_INFINITY;
  const decisions = kinds.map(() => NO_ROOM);
  for (let i = 0; i < kinds.length; i++) {
    const kind = kinds[i];
    if (kind === undefined) continue;
    const { lane, size } = kind;
    let bid = NO_ROOM;
    if (lane === 'interactive') {
      const since = ofSize(overSince, size);
      STATE.overReserveS = since === null ? 0 : (now - since) / 1000;
      STATE.meanTokens = ofSize(memory.meanTokens, size);
      pace ??= paceOf(load, PACE);
      bid = decideBid(load, size, STATE, tuning, pace);
      // The price keeps rising while only the risen price lets the worker bid.
      const over = bid.kind === 'pass' ? bid.reason === 'over_reserve' : bid.overReserve;
      if (over !== (since !== null)) overSince = withSize(overSince, size, over ? now : null);
    } else if (lane === 'bound') bid = decideBound(standing, tuning);
    else if (idleInMs > 0) validS = Math.min(validS, idleInMs / 1000);
    else bid = decideIdleCapacityBid(load, lane, standing, tuning);
    if (bid.kind === 'bid' || bid.reason === 'over_reserve') validS = Math.min(validS, bid.validS);
    decisions[i] = bid;
  }
  const unchanged = overSince === memory.overSince && fullAt === memory.fullAt;
  if (unchanged) return { decisions, validS, memory };
  const { meanTokens, handedBack } = memory;
  return { decisions, validS, memory: { meanTokens, overSince, fullAt, handedBack } };
}

/** Bound work needs no quote, only room: no other worker bids for it. */
function decideBound({ load, sick, draining }: WorkerStanding, tuning: BidTuning): BidDecision {
  const fits = fitting(load.kvFreeTokens, load.running, tuning.typical.medium);
  const free = sick || draining ? 0 : Math.min(load.slots - load.running, fits);
  if (free <= 0) return NO_ROOM;
  const validS = Number.POSITIVE_INFINITY;
  return { kind: 'bid', level: 0, batch: Math.max(1, free >> 1), validS, overReserve: false, reason: 'room' };
}

/** Written out because a spread with a computed key takes several times as long. */
function withSize<Value>(
  { short, medium, long }: Readonly<Record<PromptSize, Value>>,
  size: PromptSize,
  value: Value,
): Record<PromptSize, Value> {
  return {
    short: size === 'short' ? value : short,
    medium: size === 'medium' ? value : medium,
    long: size === 'long' ? value : long,
  };
}
