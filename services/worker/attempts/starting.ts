/**
 * Deliveries taken whose attempt does not run yet: their ingress is being asked, or their record being changed. A cancel can
 * overtake the answer, and would find no attempt to stop.
 */
interface Start {
  readonly id: string;
  readonly attempt: number;
  isCancelled: boolean;
}

export class Starting {
  readonly #starts = new Set<Start>();

  get size(): number {
    return this.#starts.size;
  }

  /** Waits for what has to be known before the attempt may run, and tells whether it was cancelled meanwhile. */
  async during<T>(
    id: string,
    attempt: number,
    known: Promise<T>,
  ): Promise<{ readonly known: T; readonly isCancelled: boolean }> {
    const start: Start = { id, attempt, isCancelled: false };
    this.#starts.add(start);
    try {
      return { known: await known, isCancelled: start.isCancelled };
    } finally {
      this.#starts.delete(start);
    }
  }

  /** @param attempt the newest that is meant: a later one is not. */
  cancel(id: string, attempt: number): void {
    for (const start of this.#starts)
      if (start.id === id && start.attempt <= attempt) start.isCancelled = true;
  }
}
