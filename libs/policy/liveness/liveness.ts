/** How long a worker may be silent. One rule for every process that watches workers, and for the simulator. */

/** Interval between a worker's heartbeats, ms. */
export const HEARTBEAT_MS = 1000;

/**
 * A worker silent for longer is lost: it gets nothing new, and what it ran is given to another. Three heartbeats: the control
 * channel delivers at most once, so one missing heartbeat proves nothing, and a client waits all that time for its next token.
 */
export const LOST_AFTER_MS = 3 * HEARTBEAT_MS;

/** A stream that flows has a word every few ms: a worker with one that says nothing at all for longer is called, ms. */
const STREAM_SILENT_MS = 400;

/** So is any worker that runs something and whose heartbeat is late by so much, ms. */
const HEARTBEAT_LATE_MS = 250;

/**
 * A process of a worker whose address nobody listens at for so long is gone, ms: the broker knows of a connection that ends at once, and a process that
 * has only lost it is back sooner (200 to 300 ms, see libs/transport/nats/connection). One that is stopped, or behind a dead network, keeps its connection, and is
 * lost after {@link LOST_AFTER_MS}.
 */
export const UNHEARD_AFTER_MS = 350;

/** How often whoever waits for workers looks whether one has to be called, ms. */
export const CALL_EVERY_MS = 100;

/** From the end of a worker's process until whoever waits for its words knows, at most: the simulator's time, too, ms. */
export const DEATH_KNOWN_AFTER_MS = STREAM_SILENT_MS + UNHEARD_AFTER_MS + 2 * CALL_EVERY_MS;

/**
 * Whether a worker that runs something is called, to know whether it still lives.
 * @param silentMs since anything was heard of it. @param flows whether one of the streams that it runs has begun.
 */
export function isCalled(silentMs: number, flows: boolean): boolean {
  return silentMs > (flows ? STREAM_SILENT_MS : HEARTBEAT_MS + HEARTBEAT_LATE_MS);
}

/**
 * A worker silent for longer is forgotten, with what was believed of its cache and what is still queued for it alone. Long enough
 * for a restart, after which the worker goes on under its name.
 */
export const FORGOTTEN_AFTER_MS = 20 * LOST_AFTER_MS;
