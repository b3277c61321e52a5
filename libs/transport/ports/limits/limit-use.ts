import type { ResourceLimit } from '@penstock/protocol';

/** What a project keeps, by the limit that is of it. */
export type ResourceUse = Readonly<Record<ResourceLimit, number>>;

/** What a process saw of limits since it told last. */
export interface LimitNotes {
  /** Projects whose limits were looked at. */
  readonly seen: readonly string[];
  readonly refusals: readonly { readonly project: string; readonly limit: string; readonly count: number }[];
}

/** What operators see of limits: which projects have some, what they keep, and how often they were refused. Nothing is decided by it. */
export interface LimitUseRecords {
  readonly connected: boolean;
  /** @param now Unix ms. */
  note(notes: LimitNotes, now: number): Promise<void>;
  /** Projects whose limits were looked at within a month, the latest first; not known to be complete beyond ten thousand. */
  latest(most: number): Promise<string[]>;
  /** In the order of the projects. @param now Unix ms. */
  resources(projects: readonly string[], now: number): Promise<ResourceUse[]>;
  /** Of the day of UTC that it is, by limit; in the order of the projects. @param now Unix ms. */
  refusals(projects: readonly string[], now: number): Promise<Readonly<Record<string, number>>[]>;
  close(): Promise<void>;
}
