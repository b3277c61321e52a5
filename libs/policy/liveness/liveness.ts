/** How long a worker may be silent. One rule for every process that watches workers, and for the simulator. */

/** Interval between a worker's heartbeats, ms. */
export const HEARTBEAT_MS = 1000;

/**
 * A worker silent for longer is lost: it gets nothing new, and what it ran is given to another. Three heartbeats: the control
 * channel delivers at most once, so one missing heartbeat proves nothing, and a client waits all that time for its next token.
 */
export const LOST_AFTER_MS = 3 * HEARTBEAT_MS;

/**
 * A worker silent for longer is forgotten, with what was believed of its cache and what is still queued for it alone. Long enough
 * for a restart, after which the worker goes on under its name.
 */
export const FORGOTTEN_AFTER_MS = 20 * LOST_AFTER_MS;
