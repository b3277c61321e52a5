/**
 * What becomes of publishes while a stream does not take any: its server is gone, or its cluster elects another leader, which takes four to
 * nine seconds. They are held, and repeated once the stream takes a message again. Until then one probe asks for all of them: a small
 * message that is really written, since a server with a full disk answers everything else.
 *
 * States: **fine**; **held** since the first publish that was not confirmed; **down** once that is {@link HOLD_MS} ago, or less where it cannot be an election. Then whatever is held
 * and whatever comes is refused at once, until a probe gets through.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** An election takes up to nine seconds, and its first round may end without a leader. */
export const HOLD_MS = 15_000;
const PROBE_MS = 100;
const PROBE_DOWN_MS = 1000;
/** Bodies of held publishes. Beyond it they are refused: nobody knows how long it lasts. */
const MOST_HELD_BYTES = 64 * 1024 * 1024;

/** What came of trying to write, and how long it may be so until the stream counts as down, ms. */
export type ProbeOutcome =
  | { readonly kind: 'fine' }
  | { readonly kind: 'away'; readonly why: string; readonly patienceMs: number };

export interface OutageOptions {
  readonly probe: () => Promise<ProbeOutcome>;
  /** Told when it is down, with the reason, and when it is fine again (null). */
  readonly onChange?: (why: string | null) => void;
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

interface Outage {
  readonly since: number;
  why: string;
  /** Since when each probe has said that it is no election; null while it may be one. */
  certainSince: number | null;
  isDown: boolean;
  /** Resolves with whether it is over. */
  readonly over: Promise<boolean>;
  readonly end: (isOver: boolean) => void;
}

export class StreamOutage {
  readonly #o: OutageOptions;
  readonly #now: () => number;
  #outage: Outage | null = null;
  #heldBytes = 0;

  constructor(options: OutageOptions) {
    this.#o = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Why nothing can be published; null where it can, or may in a moment. */
  get why(): string | null {
    return this.#outage?.isDown ? this.#outage.why : null;
  }

  /** Whether to try to publish now. False once it is down; where it may be over in a moment, resolves then. */
  async whenFine(bytes: number, limitMs: number): Promise<boolean> {
    const outage = this.#outage;
    if (outage === null) return true;
    if (outage.isDown || this.#heldBytes + bytes > MOST_HELD_BYTES) return false;
    this.#heldBytes += bytes;
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(late.resolve, limitMs, false);
    try {
      return await Promise.race([outage.over, late.promise]);
    } finally {
      clearTimeout(timer);
      this.#heldBytes -= bytes;
    }
  }

  /** A publish was not confirmed. */
  begin(why: string, patienceMs = HOLD_MS): void {
    if (this.#outage !== null) return;
    const { promise: over, resolve: end } = Promise.withResolvers<boolean>();
    this.#outage = { since: this.#now(), why, certainSince: null, isDown: false, over, end };
    if (patienceMs === 0) this.#down(this.#outage);
    void this.#probe(this.#outage);
  }

  /** The connection is closed for good. */
  stop(): void {
    this.#outage?.end(false);
    this.#outage = null;
  }

  async #probe(outage: Outage): Promise<void> {
    const pause = this.#o.sleep ?? (ms => sleep(ms, undefined, { ref: false }));
    while (this.#outage === outage) {
      const outcome = await this.#o.probe();
      if (this.#outage !== outage) return;
      if (outcome.kind === 'fine') return this.#over(outage);
      outage.why = outcome.why;
      if (outcome.patienceMs >= HOLD_MS) outage.certainSince = null;
      else outage.certainSince ??= this.#now();
      const certainForMs = this.#now() - (outage.certainSince ?? outage.since);
      if (certainForMs >= outcome.patienceMs || this.#now() - outage.since >= HOLD_MS) this.#down(outage);
      await pause(outage.isDown ? PROBE_DOWN_MS : PROBE_MS);
    }
  }

  #down(outage: Outage): void {
    if (outage.isDown) return;
    outage.isDown = true;
    outage.end(false);
    this.#o.onChange?.(outage.why);
  }

  #over(outage: Outage): void {
    this.#outage = null;
    outage.end(true);
    if (outage.isDown) this.#o.onChange?.(null);
  }
}
