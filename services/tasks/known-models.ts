/** The models that can be asked for. They change seldom and are asked about with every line. */
import type { Clock } from '@penstock/runtime';

const KNOWN_FOR_MS = 5000;

export class KnownModels {
  readonly #list: () => Promise<readonly string[]>;
  readonly #clock: Clock;
  #names: ReadonlySet<string> = new Set();
  #listedAt = Number.NEGATIVE_INFINITY;

  /** @param list names of all there are now. */
  constructor(list: () => Promise<readonly string[]>, clock: Clock) {
    this.#list = list;
    this.#clock = clock;
  }

  /** One that is not known may have come since. */
  async has(name: string): Promise<boolean> {
    const isFresh = this.#clock.monotonic() - this.#listedAt <= KNOWN_FOR_MS;
    if (isFresh && this.#names.has(name)) return true;
    this.#names = new Set(await this.#list());
    this.#listedAt = this.#clock.monotonic();
    return this.#names.has(name);
  }
}
