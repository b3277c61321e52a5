/**
 * Ends stored runs whose deadline has passed. The broker drops such work silently, and a record is otherwise made final when a client
 * reads it; a client that waits for a webhook does not read it.
 */
import { dueAgain, type RunExpiry } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type { RunDeadlines, RunStore } from '@penstock/transport';
import type { HousekeepingObserver } from './sweeper.ts';

export interface RunDeadlinesOptions {
  readonly runs: Pick<RunStore, 'read'>;
  readonly expiry: RunExpiry;
  readonly deadlines: RunDeadlines;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = 1000;

/** @returns a function that stops it. */
export function watchDeadlines(options: RunDeadlinesOptions): () => void {
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      await endOverdue(options);
    } catch (err) {
      options.watch.failed('deadlines');
      options.logger.warn({ err: (err as Error).message }, 'deadlines could not be read; trying again');
    }
    busy = false;
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  return () => clearInterval(timer);
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
