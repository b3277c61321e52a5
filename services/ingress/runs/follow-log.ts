/**
 * Follows the log of a stored run: existing entries, then new ones, until the run is final. The log is authoritative and is read
 * on from the last entry seen; hints on the channel only save reads while they arrive without a gap. A reader that does not keep
 * up loses hints, never an entry: it goes back to the log.
 */
import { isFinalStatus, type StoredRun } from '@penstock/protocol';
import type { LogHint, RunLog, RunStore } from '@penstock/transport';

/** Entries read at once. */
const SLICE = 256;
/** Hinted entries held for a slow reader. */
const MAX_HINTED = 64;
/** Interval at which the log is read even without a hint, ms. */
const LOOK_MS = 1000;

export type LogNews =
  /** An attempt began. Comes before any entry. */
  | { readonly kind: 'begun' }
  | { readonly kind: 'entries'; readonly entries: readonly Buffer[] }
  /** Nothing new for a while. */
  | { readonly kind: 'silence' }
  /** The run as it ended; null where it was deleted meanwhile. */
  | { readonly kind: 'final'; readonly run: StoredRun | null };

export interface LogSources {
  readonly runs: RunStore;
  readonly runLog: RunLog;
}

export async function* followLog(sources: LogSources, id: string): AsyncGenerator<LogNews, void> {
  const hints = new Hints();
  const stop = await sources.runLog.watch(id, hint => hints.take(hint));
  let next = 0;
  let hasBegun = false;
  try {
    for (;;) {
      hints.lookedFrom(next);
      const slice = await sources.runLog.slice(id, next, SLICE);
      if (slice === null) return yield { kind: 'final', run: null };
      if (slice.attempt > 0 && !hasBegun) yield { kind: 'begun' };
      hasBegun ||= slice.attempt > 0;
      if (slice.entries.length > 0) yield { kind: 'entries', entries: slice.entries };
      next += slice.entries.length;
      if (!slice.isAll) continue;
      // The status was read together with the entries, so there are no more.
      if (isFinalStatus(slice.status)) return yield { kind: 'final', run: await sources.runs.read(id) };
      for (;;) {
        const entries = await hints.next(next);
        if (entries === null) break;
        if (!hasBegun) yield { kind: 'begun' };
        hasBegun = true;
        next += entries.length;
        yield { kind: 'entries', entries };
      }
      yield { kind: 'silence' };
    }
  } finally {
    stop();
  }
}

/** Hinted entries without a gap, starting with the next one that the reader needs. */
class Hints {
  #entries: Buffer[] = [];
  #next = 0;
  #mustLook = false;
  #wake: (() => void) | null = null;

  take(hint: LogHint): void {
    if (hint === null || hint.length > this.#next + this.#entries.length + 1) this.#mustLook = true;
    else if (hint.length === this.#next + this.#entries.length + 1) {
      if (this.#entries.length < MAX_HINTED) this.#entries.push(hint.entry);
      else this.#mustLook = true;
    }
    this.#wake?.();
  }

  /** The log is about to be read from here, so earlier hints are dropped. */
  lookedFrom(next: number): void {
    this.#entries = [];
    this.#next = next;
    this.#mustLook = false;
  }

  /** The entries from `next` on, as soon as there are any; null when the log has to be read. */
  async next(next: number): Promise<readonly Buffer[] | null> {
    const known = next - this.#next;
    if (known > 0) this.#entries.splice(0, known);
    this.#next = next;
    if (this.#entries.length === 0 && !this.#mustLook) await this.#wait();
    if (this.#entries.length === 0) return null;
    const entries = this.#entries;
    this.#entries = [];
    this.#next += entries.length;
    return entries;
  }

  #wait(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, LOOK_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
