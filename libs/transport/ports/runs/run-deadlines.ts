/** Deadlines of unfinished jobs, responses and completions: an expiry has an event too, although nobody asks for the run. */
export interface RunDeadlines {
  /** Ids of runs whose deadline has passed, earliest first; a limited number at once. */
  due(now: number): Promise<string[]>;
  /** Moves the deadline of a run that is still listed. @param at Unix ms. */
  again(id: string, at: number): Promise<void>;
  forget(id: string): Promise<void>;
  close(): Promise<void>;
}
