import type { TrailEvent } from '@penstock/protocol';

/** Trails of requests, for a short time. Best effort: one that is lost is no failure of anything else. */
export interface RequestTrails {
  /** Never throws, and does not wait. */
  append(id: string, events: readonly TrailEvent[]): void;
  /** Empty where nothing is kept. */
  read(id: string): Promise<TrailEvent[]>;
  /** Ids of requests that have a trail, those added to last first. @param from how many to leave out. */
  latest(from: number, most: number): Promise<string[]>;
}
