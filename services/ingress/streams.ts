/** Makes the streams of a region, and waits where the broker cannot: a cluster that is not complete has no leader. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@penstock/runtime';
import { ConnectError, type QueueAdmin, type StreamLimits } from '@penstock/transport';

const PAUSE_MS = 1000;

export interface StreamsOptions {
  readonly queue: Pick<QueueAdmin, 'ensureWorkStream' | 'ensureDeadStream'>;
  readonly region: string;
  readonly shards: number;
  readonly limits: StreamLimits;
  readonly log: Logger;
  readonly pause?: () => Promise<unknown>;
}

/** @throws ConnectError where waiting cannot help. */
export async function makeStreams(options: StreamsOptions): Promise<void> {
  const { log, pause = () => sleep(PAUSE_MS) } = options;
  for (let last = ''; ; await pause()) {
    try {
      return await tryToMake(options);
    } catch (err) {
      if (err instanceof ConnectError) throw err;
      const { message } = err as Error;
      if (message !== last) log.warn({ err }, 'waiting for NATS to make the queue');
      last = message;
    }
  }
}

async function tryToMake({ queue, region, shards, limits }: StreamsOptions): Promise<void> {
  for (let shard = 0; shard < shards; shard++) await queue.ensureWorkStream(region, shard, limits);
  await queue.ensureDeadStream(region);
}

/** Tells the log when a stream takes no requests any more, and when it does again. */
export function troubleTo(log: Logger): (stream: string, why: string | null) => void {
  return (stream, why) => {
    if (why === null) log.info({ stream }, 'the queue takes requests again');
    else
      log.error(
        { stream, why },
        'the queue takes no requests: see "When NATS stores nothing" in docs/operations.md',
      );
  };
}
