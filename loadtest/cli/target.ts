/** What the load goes to: a Penstock that runs somewhere, or one that is started here for the time of the run. */
export interface Target {
  readonly url: string;
  readonly key: string;
  /** In words, for the report. */
  readonly about: string;
  /** For the script, beside the user's own. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** One that runs somewhere. */
export function runningAt(url: string, key: string): Target {
  return { url, key, about: url, settings: {}, stop: () => Promise.resolve() };
}
