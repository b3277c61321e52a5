/**
 * Ends runs whose time is over. The queue forgets such work without a word, and a record becomes final when somebody looks
 * at it; but whoever waits for a webhook does not look.
 */
import { dueAgain, type RunExpiry } from '@penstock/runs';
import type { Clock, Logger } from '@penstock/runtime';
import type { RunDeadlines, RunStore } from '@penstock/transport';

export interface RunDeadlinesOptions {
  readonly runs: Pick<RunStore, 'read'>;
  readonly expiry: RunExpiry;
  readonly deadlines: RunDeadlines;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = 1000;

/** @returns how to stop it. */
export function watchDeadlines(options: RunDeadlinesOptions): () => void {
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    try {
      await endOverdue(options);
    } catch (err) {
      options.logger.warn({ err: (err as Error).message }, 'deadlines not looked at; trying again');
    }
    busy = false;
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  return () => clearInterval(timer);
}

async function endOverdue({ runs, expiry, deadlines, clock }: RunDeadlinesOptions): Promise<void> {
  const now = clock.now();
  for (const id of await deadlines.due(now)) {
    const run = await runs.read(id);
    if (run !== null && (await expiry.end(run))) continue;
    const at = run === null ? null : dueAgain(run, now);
    if (at === null) await deadlines.forget(id);
    else await deadlines.again(id, at);
  }
}
