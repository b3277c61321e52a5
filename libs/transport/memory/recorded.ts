/** What happened in an in-memory adapter, for a test to look at or to wait for. */
export class Recorded<T> {
  #items: T[] = [];
  #waiters: { matches: (item: T) => boolean; resolve: (item: T) => void }[] = [];

  get items(): readonly T[] {
    return this.#items;
  }

  add(item: T): void {
    this.#items.push(item);
    const matching = this.#waiters.filter(waiter => waiter.matches(item));
    this.#waiters = this.#waiters.filter(waiter => !matching.includes(waiter));
    for (const waiter of matching) waiter.resolve(item);
  }

  /** It is there no more. */
  remove(matches: (item: T) => boolean): void {
    this.#items = this.#items.filter(item => !matches(item));
  }

  /** The first item that matches, among those that were added before and those to come. */
  waitFor(matches: (item: T) => boolean = () => true): Promise<T> {
    const known = this.#items.find(matches);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise(resolve => {
      this.#waiters.push({ matches, resolve });
    });
  }
}
