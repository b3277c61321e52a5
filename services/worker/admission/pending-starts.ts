/**
 * Deliveries that were taken and do not run yet: their ingress is being asked, or their record is being changed. A cancel may
 * arrive meanwhile, when there is no attempt yet that it could stop.
 */
import { type AttemptKey, isMeant } from '@penstock/protocol';

interface PendingStart {
  readonly id: string;
  readonly attempt: AttemptKey;
  /** KV memory that it is likely to need, tokens. */
  readonly kvTokens: number;
  isCancelled: boolean;
}

export class PendingStarts {
  readonly #starts = new Set<PendingStart>();

  get size(): number {
    return this.#starts.size;
  }

  /** KV memory that all of them are likely to need, tokens. */
  get kvTokens(): number {
    let tokens = 0;
    for (const start of this.#starts) tokens += start.kvTokens;
    return tokens;
  }

  /** Whether an attempt at the request is about to run. */
  has(id: string): boolean {
    for (const start of this.#starts) if (start.id === id) return true;
    return false;
  }

  /** Awaits what has to be known before the attempt may run. @returns that, and whether the attempt was cancelled meanwhile. */
  async during<T>(
    id: string,
    attempt: AttemptKey,
    kvTokens: number,
    known: Promise<T>,
  ): Promise<{ readonly known: T; readonly isCancelled: boolean }> {
    const start: PendingStart = { id, attempt, kvTokens, isCancelled: false };
    this.#starts.add(start);
    try {
      return { known: await known, isCancelled: start.isCancelled };
    } finally {
      this.#starts.delete(start);
    }
  }

  /** @param attempt see {@link isMeant}. */
  cancel(id: string, attempt: AttemptKey): void {
    for (const start of this.#starts)
      if (start.id === id && isMeant(start.attempt, attempt)) start.isCancelled = true;
  }
}
