/**
 * Ends stored runs whose deadline has passed. The broker drops such work silently, and a record is otherwise made final when a client
 * reads it; a client that waits for a webhook does not read it.
 */
import { dueAgain, type RunExpiry } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type { RunDeadlines, RunStore } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

export interface RunDeadlinesOptions {
  readonly runs: Pick<RunStore, 'read'>;
  readonly expiry: RunExpiry;
  readonly deadlines: RunDeadlines;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

const EVERY_MS = 1000;

/** @returns a function that stops it. */
export function watchDeadlines(options: RunDeadlinesOptions): () => void {
  const trouble = 'deadlines could not be read; trying again';
  return every(
    EVERY_MS,
    rounds({ ...options, what: 'deadlines', trouble }, () => endOverdue(options)),
  );
}

async function endOverdue({ runs, expiry, deadlines, watch, clock }: RunDeadlinesOptions): Promise<void> {
  const now = clock.now();
  for (const id of await deadlines.due(now)) {
    const run = await runs.read(id);
    if (run !== null && (await expiry.end(run))) {
      watch.removed('overdue_run');
      continue;
    }
    const at = run === null ? null : dueAgain(run, now);
    if (at === null) await deadlines.forget(id);
    else await deadlines.again(id, at);
  }
}
