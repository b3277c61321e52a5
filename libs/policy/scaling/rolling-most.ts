/** The largest of the values of the last while. */
export class RollingMost {
  /** Falling values, each with when it came: what is smaller and older than another never counts again. */
  #kept: { readonly at: number; readonly value: number }[] = [];

  /** @param at ms, rising. @param withinMs how long a value counts. */
  add(at: number, value: number, withinMs: number): number {
    const rest = this.#kept.filter(each => at - each.at < withinMs && each.value > value);
    this.#kept = [...rest, { at, value }];
    return this.#kept[0]?.value ?? value;
  }
}
