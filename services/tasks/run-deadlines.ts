/**
 * Ends runs whose time is over. The queue forgets such work without a word, and a record becomes final when somebody looks
 * at it; but whoever waits for a webhook does not look.
 */
import { DispatchError, toErrorBody } from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { RunDeadlines, RunStore } from '@penstock/transport';

export interface RunDeadlinesOptions {
  readonly runs: RunStore;
  readonly deadlines: RunDeadlines;
  /** How long the log of an ended run is kept, ms. */
  readonly logMs: number;
  /** Tells whoever waits for the run. */
  readonly tell: (id: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = 1000;
/** A run that was begun in time may take so much longer, ms. */
const RUNNING_SLACK_MS = 10 * 60_000;

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

async function endOverdue({ runs, deadlines, logMs, tell, clock }: RunDeadlinesOptions): Promise<void> {
  const now = clock.now();
  for (const id of await deadlines.due(now)) {
    const run = await runs.read(id);
    if (run === null) {
      await deadlines.forget(id);
      continue;
    }
    const error = new DispatchError('deadline_exceeded');
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    const result = {
      status: error.status,
      contentType: 'application/json; charset=utf-8',
      body,
      finishedAt: now,
    };
    if (await runs.expire(run, result, RUNNING_SLACK_MS, { recordMs: 0, logMs })) tell(id);
    else if (run.status === 'in_progress') await deadlines.again(id, run.deadlineAt + RUNNING_SLACK_MS + 1);
    else if (run.deadlineAt >= now) await deadlines.again(id, run.deadlineAt + 1);
    else await deadlines.forget(id);
  }
}
