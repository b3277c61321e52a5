/** A request that failed on every attempt. Holds no part of the request's body. */
export interface DeadLetter {
  readonly id: string;
  readonly subject: string;
  readonly slug: string;
  readonly reason: string;
  /** Of the last failure, in the engine's words where it gave any; at most 500 characters. Empty where there is none, or the request is sealed. */
  readonly message: string;
  /** Unix ms. */
  readonly diedAt: number;
  readonly bytes: number;
}

export interface DeadLetters {
  /** Oldest first. */
  list(): Promise<DeadLetter[]>;
  get(id: string): Promise<{ readonly letter: DeadLetter; readonly data: Uint8Array } | null>;
  drop(letter: DeadLetter): Promise<void>;
  close(): Promise<void>;
}
