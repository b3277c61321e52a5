/**
 * How a process begins and ends: it waits for the servers it needs, and on a signal takes the given steps in order, each with a time limit.
 * What nobody handles ends it at once, with a line of the log: Node would write the error with all that is on it, which may be prompts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './logs/logger.ts';
import { exitBlaming } from './read-config.ts';

export interface StopStep {
  readonly name: string;
  /** The step is given up after this long, ms. */
  readonly limitMs: number;
  readonly run: () => Promise<void> | void;
}

export interface Stopping {
  /** What ends the process in order, from now on: until then a signal ends it at once, since nothing has begun. */
  by(steps: readonly StopStep[]): void;
  /** As a signal does. @param why for the log. */
  begin(why: string, exitCode?: number): void;
}

/** A terminal and a supervisor may each send a signal for one wish to end: one that comes so soon is the same, ms. */
const SAME_SIGNAL_MS = 500;

/**
 * SIGTERM or SIGINT takes the steps once, in order, then ends the process; a later signal ends it at once. To be called before the process
 * waits for anything: the first process of a container ignores signals that it does not handle.
 */
export function stopOnSignal(log: Logger): Stopping {
  endOnFault(log);
  let steps: readonly StopStep[] = [];
  let begunAt: number | null = null;
  const begin = (why: string, exitCode = 0) => {
    if (begunAt !== null) return;
    begunAt = performance.now();
    log.info({ signal: why }, 'stopping');
    void runSteps(log, steps).then(() => process.exit(exitCode));
  };
  const onSignal = (signal: string) => {
    if (begunAt !== null && performance.now() - begunAt > SAME_SIGNAL_MS) process.exit(1);
    begin(signal);
  };
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));
  const by = (given: readonly StopStep[]) => {
    steps = given;
  };
  return { by, begin };
}

/** Rejections that nobody handles come here too. */
function endOnFault(log: Logger): void {
  process.on('uncaughtException', err => {
    log.fatal({ err }, 'the process ends: nobody handles this error');
    process.exit(1);
  });
}

async function runSteps(log: Logger, steps: readonly StopStep[]): Promise<void> {
  for (const step of steps) {
    const startedAt = performance.now();
    const limit = AbortSignal.timeout(step.limitMs);
    const expired = new Promise<'late'>(resolve => limit.addEventListener('abort', () => resolve('late')));
    const ran = Promise.resolve().then(step.run);
    const outcome = await Promise.race([ran.catch((err: Error) => err), expired]);
    const fields = { step: step.name, ms: Math.round(performance.now() - startedAt) };
    if (outcome === 'late') log.warn(fields, 'stop step took too long');
    else if (outcome instanceof Error) log.warn({ ...fields, err: outcome }, 'stop step failed');
    else log.debug(fields, 'stop step done');
  }
}

/** The last step: nothing is asked of a server any more. */
export function closeWires(wires: readonly { close(): unknown }[]): StopStep {
  return {
    name: 'close wires',
    limitMs: 2000,
    run: async () => {
      await Promise.all(wires.map(wire => wire.close()));
    },
  };
}

/** How long after its time the step of a lame duck is given up, ms. */
const GRACE_MS = 1000;

/**
 * The first step of a process that others send requests to: it says that it is not ready, and goes on answering until they have heard it.
 * @param ms how long they may take. @param onBegin not ready from now on.
 */
export function lameDuck(ms: number, onBegin: () => void): StopStep {
  return {
    name: 'lame duck',
    limitMs: ms + GRACE_MS,
    run: async () => {
      onBegin();
      await sleep(ms);
    },
  };
}

const TRY_AGAIN_MS = 500;
/** What is waited for is told again after so many tries: ten seconds. */
const TELL_AGAIN = 20;

/** What a process needs before it can begin. */
export interface Needed {
  /** For people: `NATS`. */
  readonly what: string;
  /** The setting to blame where waiting is of no use. */
  readonly variable: string;
}

export const NATS: Needed = { what: 'NATS', variable: 'PENSTOCK_NATS_URL' };
export const REDIS: Needed = { what: 'Redis', variable: 'PENSTOCK_REDIS_URL' };

/** @returns what connects to a server, as soon as it is there and can be used: a process may start before it. */
export function whenThere(log: Pick<Logger, 'info' | 'warn'>, pauseMs = TRY_AGAIN_MS) {
  return async <T>({ what, variable }: Needed, connect: () => Promise<T>): Promise<T> => {
    for (let tries = 0; ; tries++) {
      try {
        const made = await connect();
        if (tries > 0) log.info({ tries }, `${what} is there`);
        return made;
      } catch (err) {
        // Waiting does not make a wrong address, password or version right.
        if ((err as { isLasting?: boolean }).isLasting === true) exitBlaming(variable)(err as Error);
        const { message } = err as Error;
        if (tries % TELL_AGAIN === 0) log.warn({ waitingFor: what }, `waiting for ${what}: ${message}`);
        await sleep(pauseMs);
      }
    }
  };
}
