/** The longest times that a client may ask for, ms. A longer one is lowered to these. */

/** Of a call whose client waits on its connection. */
export const MAX_CALL_TIMEOUT_MS = 3_600_000;

/** Of a stored run: how long it may wait until an engine starts it. Also what it gets if its client says nothing. */
export const MAX_RUN_TIMEOUT_MS = 24 * 3_600_000;
