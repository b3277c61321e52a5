/** Counts by name that only grow: what several processes have counted since this one listens. */
export type Counts = Readonly<Record<string, number>>;

/** Reasons, or models: a page shows no more. */
const MOST_NAMES = 1024;

export class GrowingCounts {
  readonly #counts = new Map<string, number>();

  /** @param before null where `after` was counted from nothing. */
  add(before: Counts | null, after: Counts): void {
    for (const [name, count] of Object.entries(after)) {
      if (!this.#counts.has(name) && this.#counts.size >= MOST_NAMES) continue;
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + Math.max(0, count - (before?.[name] ?? 0)));
    }
  }

  read(): Counts {
    return Object.fromEntries(this.#counts);
  }
}

/** What was counted in between, without what was not. */
export function growth(before: Counts, after: Counts): Counts {
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}
