/** Jobs, responses and completions that are not final, for whoever looks after them; lines of batches are not among them. */
export interface OpenRuns {
  /**
   * Some of them. @param from where an earlier call ended, or null to begin. @returns their ids, and where to go on: null at the end.
   * Going on until then gives each that was open all the while at least once.
   */
  some(from: string | null): Promise<{ readonly ids: readonly string[]; readonly next: string | null }>;
  /** Makes the process the one that looks after them, if nobody is, or it is already. @param forMs from now. @returns whether it is. */
  claim(process: string, forMs: number): Promise<boolean>;
  close(): Promise<void>;
}
