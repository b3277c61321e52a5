/** Simulates many seeds on all cores. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Violation } from '../invariants.ts';
import type { Mutation } from './mutations.ts';

export interface SeedsOrder {
  readonly from: number;
  /** From one seed to the next. */
  readonly step: number;
  readonly count: number;
  /** The fix that is taken out; then it ends with the first seed that shows it. */
  readonly mutation: Mutation | null;
}

export interface SeedsReport {
  seeds: number;
  /** Events, and time that passed, in all simulations, ms. */
  events: number;
  ms: number;
  readonly failing: { readonly seed: number; readonly violations: readonly Violation[] }[];
  /** How requests ended. */
  readonly ends: Record<string, number>;
}

/** @param from the first seed. */
export async function runSeeds(
  from: number,
  count: number,
  mutation: Mutation | null = null,
  threads = availableParallelism(),
): Promise<SeedsReport> {
  const shares = Array.from({ length: threads }, (_, i) => ({
    ...{ from: from + i, step: threads, mutation },
    count: Math.ceil((count - i) / threads),
  }));
  const reports = await Promise.all(shares.filter(({ count: share }) => share > 0).map(runThread));
  const all: SeedsReport = { seeds: 0, events: 0, ms: 0, failing: [], ends: {} };
  for (const { seeds, events, ms, failing, ends } of reports) {
    all.seeds += seeds;
    all.events += events;
    all.ms += ms;
    all.failing.push(...failing);
    for (const [kind, ended] of Object.entries(ends)) all.ends[kind] = (all.ends[kind] ?? 0) + ended;
  }
  all.failing.sort((a, b) => a.seed - b.seed);
  return all;
}

function runThread(workerData: SeedsOrder): Promise<SeedsReport> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./seeds-thread.ts', import.meta.url), {
      workerData,
      // What a simulation leaves behind dies young.
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    thread.on('message', resolve);
    thread.on('error', reject);
    thread.on('exit', code => reject(new Error(`a thread ended with ${code} and no report`)));
  });
}
