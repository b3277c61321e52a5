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

/** Runs that are open, and the bytes of their messages. */
export interface Backlog {
  readonly messages: number;
  readonly bytes: number;
}

export type RunCreateOutcome =
  /** `before`: what was open of its project without it; absent where no limit of the project was named. */
  | (CreateOutcome & { readonly before?: Backlog })
  /** Its project has what its limits allow, its tenant its share of the queue, or work for its model takes all that it may. */
  | { readonly kind: 'full'; readonly of: 'project' | 'tenant' | 'model'; readonly before?: Backlog };
