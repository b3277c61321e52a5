/** Wraps data keys under a key that is in no store: one of a file, or of a service that never shows its own. */
export interface KeyWrapper {
  /** Name of the key that wraps now. */
  readonly current: string;
  /** @param about what the key is for, which it is bound to. @returns text that begins with the name of the key that wrapped it. */
  wrap(key: Buffer, about: readonly (string | number)[]): Promise<string>;
  /** @throws SealError where the key that wrapped it is missing, or it was changed. */
  unwrap(wrapped: string, about: readonly (string | number)[]): Promise<Buffer>;
  /** Name of the key that wrapped it. */
  nameIn(wrapped: string): string;
}
