/** How a process ends: on a signal, the given steps in order, each with a time limit and a log line. */
import type { Logger } from './logger.ts';

export interface StopStep {
  readonly name: string;
  /** The step is given up after this long, ms. */
  readonly limitMs: number;
  readonly run: () => Promise<void> | void;
}

/** Runs the steps once, in order, on the first SIGTERM or SIGINT, then ends the process. A second signal ends it at once. */
export function stopOnSignal(log: Logger, steps: readonly StopStep[]): void {
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    void runSteps(log, steps).then(() => process.exit(0));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}

async function runSteps(log: Logger, steps: readonly StopStep[]): Promise<void> {
  for (const step of steps) {
    const startedAt = performance.now();
    const limit = AbortSignal.timeout(step.limitMs);
    const expired = new Promise<'late'>(resolve => limit.addEventListener('abort', () => resolve('late')));
    const outcome = await Promise.race([Promise.resolve(step.run()).catch((err: Error) => err), expired]);
    const fields = { step: step.name, ms: Math.round(performance.now() - startedAt) };
    if (outcome === 'late') log.warn(fields, 'stop step took too long');
    else if (outcome instanceof Error) log.warn({ ...fields, err: outcome }, 'stop step failed');
    else log.debug(fields, 'stop step done');
  }
}
