/**
 * Whose turn it is among those that wait for one place: start-time fair queueing (Goyal, Vin and Cheng 1996). Every owner has a clock that
 * runs on by what it is served, divided by its weight, and whoever is behind comes first. An owner that waited for nothing begins where the
 * others are: what it did not use is gone.
 *
 * What waits is of several kinds, of which not each can be served at any time. So an owner may get ahead of one that waits for another
 * kind, but not by more than a little.
 */

/** Something that waits. */
export interface Claimant<Kind = string> {
  readonly owner: string;
  /** What of the place it needs. */
  readonly kind: Kind;
  /** Above 0: of two with weights 2 and 1, the first is served twice as much. */
  readonly weight: number;
  /** Above 0, in tokens. */
  readonly cost: number;
}

/** What waits for one owner. */
interface Line<T> {
  /** By kind, in the order in which it came. No kind is empty. */
  readonly items: Map<string, Set<T>>;
  /** What it costs, by kind. */
  readonly costs: Map<string, number>;
  weight: number;
  clock: number;
}

export class FairQueue<T extends Claimant> {
  readonly #lines = new Map<string, Line<T>>();
  /** Clocks of owners for which nothing waits, as long as they are ahead of the others. */
  readonly #ahead = new Map<string, number>();
  /** How many wait, by kind. */
  readonly #sizes = new Map<string, number>();
  /** The clock of whoever was served last. */
  #now = 0;

  /** How many wait. */
  get size(): number {
    let size = 0;
    for (const count of this.#sizes.values()) size += count;
    return size;
  }

  /** Kinds of which something waits. */
  get kinds(): readonly string[] {
    return [...this.#sizes.keys()];
  }

  sizeOf(kind: string): number {
    return this.#sizes.get(kind) ?? 0;
  }

  isWaiting(owner: string): boolean {
    return this.#lines.has(owner);
  }

  /** Owners for which something waits, with the first of it and how much it is. */
  *owners(): Iterable<readonly [owner: string, first: T, waiting: number]> {
    for (const [owner, { items }] of this.#lines) {
      const all = [...items.values()];
      const [first] = all[0] ?? [];
      if (first !== undefined) yield [owner, first, all.reduce((sum, { size }) => sum + size, 0)];
    }
  }

  /** What waits of a kind for each owner, in the order in which it came. */
  *lines(kind: string): Iterable<Iterable<T>> {
    for (const { items } of this.#lines.values()) yield items.get(kind) ?? [];
  }

  /**
   * What would be served of its kind before an item that came now, in tokens: all of its owner's, and of others what their clocks let go
   * first. More, if others come.
   * @param before what its owner's earlier ones cost; default: all that waits.
   */
  ahead(item: Claimant, before?: number): number {
    const own = this.#lines.get(item.owner);
    const clock = own?.clock ?? Math.max(this.#now, this.#ahead.get(item.owner) ?? 0);
    const earlier = before ?? own?.costs.get(item.kind) ?? 0;
    const turn = clock + earlier / item.weight;
    let ahead = earlier;
    for (const line of this.#lines.values()) {
      if (line === own) continue;
      const cost = line.costs.get(item.kind) ?? 0;
      ahead += Math.min(cost, Math.max(0, turn - line.clock) * line.weight);
    }
    return ahead;
  }

  add(item: T): void {
    const line = this.#lineOf(item.owner);
    const { items, costs } = line;
    line.weight = item.weight;
    costs.set(item.kind, item.cost + (costs.get(item.kind) ?? 0));
    const known = items.get(item.kind);
    if (known === undefined) items.set(item.kind, new Set([item]));
    else known.add(item);
    this.#sizes.set(item.kind, this.sizeOf(item.kind) + 1);
  }

  /** It waits no more. @returns false where it did not. */
  remove(item: T): boolean {
    const line = this.#lines.get(item.owner);
    const items = line?.items.get(item.kind);
    if (line === undefined || items?.delete(item) !== true) return false;
    const left = this.sizeOf(item.kind) - 1;
    if (left === 0) this.#sizes.delete(item.kind);
    else this.#sizes.set(item.kind, left);
    line.costs.set(item.kind, (line.costs.get(item.kind) ?? 0) - item.cost);
    if (items.size === 0) {
      line.items.delete(item.kind);
      line.costs.delete(item.kind);
    }
    if (line.items.size === 0) this.#end(item.owner, line);
    return true;
  }

  /** What comes next of a kind; null where nothing of it waits, or its owner is further ahead of others that wait than by `lead`. */
  first(kind: string, lead: number): T | null {
    let first: Line<T> | null = null;
    let behind = Number.POSITIVE_INFINITY;
    for (const line of this.#lines.values()) {
      behind = Math.min(behind, line.clock);
      if (line.items.has(kind) && (first === null || line.clock < first.clock)) first = line;
    }
    if (first === null || first.clock > behind + lead) return null;
    const [item] = first.items.get(kind) ?? [];
    return item ?? null;
  }

  /** Takes out what {@link first} found. @param part of its owner's weight that counts here, above 0. */
  serve(item: T, part = 1): void {
    const line = this.#lineOf(item.owner);
    this.#now = Math.max(this.#now, line.clock);
    line.clock += item.cost / (item.weight * part);
    this.remove(item);
  }

  #lineOf(owner: string): Line<T> {
    const known = this.#lines.get(owner);
    if (known !== undefined) return known;
    const line = {
      items: new Map<string, Set<T>>(),
      costs: new Map<string, number>(),
      weight: 1,
      clock: Math.max(this.#now, this.#ahead.get(owner) ?? 0),
    };
    this.#ahead.delete(owner);
    this.#lines.set(owner, line);
    return line;
  }

  #end(owner: string, { clock }: Line<T>): void {
    this.#lines.delete(owner);
    // Where nothing waits nobody is ahead of anybody.
    if (this.#lines.size === 0) this.#ahead.clear();
    else this.#ahead.set(owner, clock);
    for (const [other, at] of this.#ahead) {
      if (at > this.#now) return;
      this.#ahead.delete(other);
    }
  }
}
