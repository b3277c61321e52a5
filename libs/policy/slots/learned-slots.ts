/**
 * How many requests an engine runs at once, learned: an engine that keeps requests waiting inside has no room for more, and what it
 * queues is lost to better workers. The number falls at once to what the engine was seen to run, and is then tried upwards
 * again: one more, then two, four, while nothing waits; after each attempt that ends in a queue the pause before the next is twice as
 * long. So it converges on the engine's own limit and rarely touches it, and follows one that was raised.
 *
 * Nothing is learned from latency or throughput: a long prompt, a long answer and a full engine look alike there. An engine that tells
 * neither its limit nor what waits inside gets what the operator allows, unless it refuses requests for want of room.
 */

/** What is remembered between readings. Times are monotonic ms. */
export interface SlotMemory {
  /** Requests that the engine runs at once, as far as known. */
  readonly slots: number;
  /** By how much the next attempt raises them. */
  readonly step: number;
  /** No attempt before this. */
  readonly nextAt: number;
  /** Pause after the next attempt that fails. */
  readonly pauseMs: number;
  /** Readings in which requests waited inside while no prompt was computed, since one in which none waited. */
  readonly queued: number;
  /** Most that ran in one of these. */
  readonly ran: number;
  /** When they fell last. */
  readonly fellAt: number;
}

/** What the engine and its worker show at one moment. */
export interface SlotReading {
  /** Requests that the engine runs, of this worker and of others; null where it does not tell. */
  readonly running: number | null;
  /** Requests that wait inside; null where it does not tell. */
  readonly waiting: number | null;
  /** Requests of this worker in the engine. */
  readonly own: number;
  /** Of these, begun so lately that they may not have been scheduled yet. */
  readonly fresh: number;
  /** It computes a prompt: what waits may wait for that, and not for a slot. */
  readonly hasPrefill: boolean;
}

const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 300_000;
/** Fewer readings may show what is about to be scheduled, or a machine that is short of time. */
const SURE = 3;
/** Requests end and begin at every moment: a reading hardly ever shows all slots in use. */
const NEARLY_ALL = 0.95;
/** Refusals of one burst are one failure. */
export const ONE_FAILURE_MS = 1000;

/** @param most what the operator allows. @param told the engine's own limit; null where it does not tell. */
export function newSlotMemory(most: number, told: number | null): SlotMemory {
  const slots = told === null ? most : Math.max(1, Math.min(most, told));
  return {
    slots,
    step: 1,
    nextAt: 0,
    pauseMs: FIRST_PAUSE_MS,
    queued: 0,
    ran: 0,
    fellAt: Number.NEGATIVE_INFINITY,
  };
}

/** After a reading of the engine's gauges, about one a second. @param most never more than this. */
export function afterReading(
  memory: SlotMemory,
  reading: SlotReading,
  most: number,
  now: number,
): SlotMemory {
  const { running, waiting, own, fresh, hasPrefill } = reading;
  const inQueue = Math.max(0, (waiting ?? 0) - fresh);
  if (inQueue > 0) {
    if (hasPrefill) return memory;
    const queued = memory.queued + 1;
    const ran = Math.max(memory.ran, running ?? own - inQueue);
    const seen = { ...memory, queued, ran };
    return queued < SURE ? seen : fallen(seen, ran, now);
  }
  // What is allowed has been used and nothing waited: the engine runs that many.
  const isUsed = (running ?? own) >= Math.ceil(NEARLY_ALL * memory.slots);
  if (!isUsed || memory.slots >= most || now < memory.nextAt) return { ...memory, queued: 0, ran: 0 };
  const slots = Math.min(most, memory.slots + memory.step);
  const pauseMs = memory.step > 1 ? FIRST_PAUSE_MS : memory.pauseMs;
  return { ...memory, slots, step: memory.step * 2, nextAt: now, pauseMs, queued: 0, ran: 0 };
}

/** The engine has no room for more than it runs: it refuses requests. */
export function afterRefusal(memory: SlotMemory, runs: number, now: number): SlotMemory {
  return runs < memory.slots ? fallen(memory, runs, now) : memory;
}

function fallen(memory: SlotMemory, runs: number, now: number): SlotMemory {
  const slots = Math.max(1, Math.min(memory.slots, runs));
  if (slots === memory.slots) return memory;
  const isNew = now - memory.fellAt >= ONE_FAILURE_MS;
  const pauseMs = isNew ? Math.min(LONGEST_PAUSE_MS, memory.pauseMs * 2) : memory.pauseMs;
  const nextAt = isNew ? now + memory.pauseMs : memory.nextAt;
  const pause = { nextAt, pauseMs, fellAt: now };
  return { slots, step: 1, ...pause, queued: 0, ran: 0 };
}
