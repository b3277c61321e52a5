/** Deadlines of unfinished runs whose clients are told by webhook: they are told of an expiry too, though nobody asks. */
export interface RunDeadlines {
  /** Ids of runs whose deadline has passed, earliest first; a limited number at once. */
  due(now: number): Promise<string[]>;
  /** Moves the deadline of a run that is still listed. @param at Unix ms. */
  again(id: string, at: number): Promise<void>;
  forget(id: string): Promise<void>;
  close(): Promise<void>;
}
