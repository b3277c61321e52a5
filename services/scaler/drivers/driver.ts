/** Whoever starts and ends the workers of pools. */

export interface Order {
  readonly pool: string;
  /** Workers that there should be, those included that finish what they run. */
  readonly workers: number;
  /** Workers that run nothing any more, and should be the ones to go. */
  readonly gone: readonly string[];
  /** Why, one of the reasons of a decision. */
  readonly reason: string;
}

/** Both may reject, or never answer: {@link GuardedDriver} copes. */
export interface Driver {
  /**
   * How many workers each pool has by what the driver knows, started or not.
   * @param heard workers of each pool that are heard of, for a driver that knows nothing else.
   */
  look(heard: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>>;
  order(order: Order): Promise<void>;
  /** The process ends. */
  close(): Promise<void>;
}
