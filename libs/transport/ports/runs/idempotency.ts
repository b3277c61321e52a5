/** What a client's `Idempotency-Key` stands for. */
export interface Idempotency {
  readonly key: string;
  /** Digest of endpoint and body: the same key with another request is the client's mistake. */
  readonly digest: string;
}

/** `repeated`: the key already stands for this thing. `reused`: the key stands for another request. */
export type CreateOutcome =
  | { readonly kind: 'created' | 'repeated'; readonly id: string }
  | { readonly kind: 'reused' };

export type RunCreateOutcome =
  | CreateOutcome
  /** Its tenant has its share of the queue, or work for its model takes all that it may. */
  | { readonly kind: 'full'; readonly of: 'tenant' | 'model' };
