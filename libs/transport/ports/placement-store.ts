/** A prefix of a prompt and the workers that lately served it, newest first. */
export interface PrefixOwners {
  readonly prefix: string;
  readonly owners: readonly string[];
}

/**
 * Which workers lately served which prompt prefix. A hint that all ingress nodes of a region share: a lost entry costs a
 * cache hit and nothing else.
 */
export interface PlacementStore {
  /** Owners of each prefix, newest first; empty where none are known. Never rejects: without an answer in time there is no hint. */
  lookup(prefixes: readonly string[]): Promise<string[][]>;
  learn(entries: readonly PrefixOwners[]): void;
}
