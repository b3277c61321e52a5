/** What paid workers do, as time of workers: what a fleet costs is known from it, and what of that was needed. */

export const GPU_TIME_STATES = ['used', 'headroom', 'idle', 'starting', 'draining'] as const;
export type GpuTimeState = (typeof GPU_TIME_STATES)[number];

/** One figure for each. */
export function byGpuTime(of: (state: GpuTimeState) => number): Record<GpuTimeState, number> {
  return Object.fromEntries(GPU_TIME_STATES.map(state => [state, of(state)])) as Record<GpuTimeState, number>;
}

export interface WorkersAt {
  readonly ready: number;
  readonly starting: number;
  readonly draining: number;
  /** Requests that run at those that are ready. */
  readonly running: number;
  /** Of one worker. */
  readonly slots: number;
}

/**
 * Workers by what they do at one moment; all of them add up to those that are paid. What is free is headroom as far as chance makes it
 * needed beside what runs (`headroom` standard deviations of it), and idle beyond.
 */
export function workersByUse(at: WorkersAt, headroom: number): Record<GpuTimeState, number> {
  const { ready, starting, draining, running, slots } = at;
  const used = Math.min(ready, running / slots);
  const kept = Math.min(ready - used, (headroom * Math.sqrt(running)) / slots);
  return { used, headroom: kept, idle: ready - used - kept, starting, draining };
}
