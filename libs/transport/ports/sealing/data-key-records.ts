/** A data key as it is kept: wrapped. */
export interface WrappedKey {
  readonly id: string;
  readonly wrapped: string;
}

/** Data keys of projects: one for each day. Holds none that can be used without what wraps them. */
export interface DataKeyRecords {
  /** Null where the project has none of that day. */
  ofDay(project: string, day: string): Promise<WrappedKey | null>;
  /** Keeps it, unless there is one of that day. @returns the one that is kept. */
  keep(project: string, day: string, key: WrappedKey): Promise<WrappedKey>;
  /** Puts another wrapping in the place of the same key. @returns false where it is gone. */
  rewrap(project: string, day: string, key: WrappedKey, before: string): Promise<boolean>;
  /** All of one project, or of all. */
  all(
    project: string | null,
  ): AsyncIterable<{ readonly project: string; readonly day: string; readonly key: WrappedKey }>;
  /** What was sealed with them can never be opened again. @returns how many. */
  erase(project: string): Promise<number>;
  close(): Promise<void>;
}
