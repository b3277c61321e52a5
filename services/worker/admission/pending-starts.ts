/**
 * Deliveries that were taken and do not run yet: their ingress is being asked, or their record is being changed. A cancel may
 * arrive meanwhile, when there is no attempt yet that it could stop.
 */
interface PendingStart {
  readonly id: string;
  readonly attempt: number;
  isCancelled: boolean;
}

export class PendingStarts {
  readonly #starts = new Set<PendingStart>();

  get size(): number {
    return this.#starts.size;
  }

  /** Awaits what has to be known before the attempt may run. @returns that, and whether the attempt was cancelled meanwhile. */
  async during<T>(
    id: string,
    attempt: number,
    known: Promise<T>,
  ): Promise<{ readonly known: T; readonly isCancelled: boolean }> {
    const start: PendingStart = { id, attempt, isCancelled: false };
    this.#starts.add(start);
    try {
      return { known: await known, isCancelled: start.isCancelled };
    } finally {
      this.#starts.delete(start);
    }
  }

  /** @param attempt the newest attempt to be cancelled: later ones are not meant. */
  cancel(id: string, attempt: number): void {
    for (const start of this.#starts)
      if (start.id === id && start.attempt <= attempt) start.isCancelled = true;
  }
}
