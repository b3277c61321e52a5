/**
 * Removes bodies of requests that nobody discarded: the process that should have is dead, or the message expired in the queue.
 * A body belongs to somebody while a message of its request waits, is being delivered, or is a dead letter. A request is in no
 * stream for a moment before it is published and while it moves, so its body goes only after it was missing for minutes.
 */
import type { Clock, Logger } from '@penstock/runtime';
import type { QueueAdmin, RequestBodies } from '@penstock/transport';
import { every, rounds } from './rounds.ts';
import type { HousekeepingObserver } from './sweeper.ts';

const EVERY_MS = 60_000;
/** A request that moves, or that the broker does not take, is in no stream for up to two minutes. */
const MISSING_MS = 5 * 60_000;

export interface BodySweeperOptions {
  readonly bodies: Pick<RequestBodies, 'drop' | 'list' | 'tidy'>;
  readonly queue: Pick<QueueAdmin, 'holds'>;
  readonly region: string;
  readonly shards: number;
  readonly watch: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

export class BodySweeper {
  readonly #o: BodySweeperOptions;
  /** One round. Never rejects. */
  readonly sweep: () => Promise<void>;
  /** Id of a body without a message → when that was first seen, monotonic ms. */
  #missing = new Map<string, number>();

  constructor(options: BodySweeperOptions) {
    this.#o = options;
    const trouble = 'bodies of requests not swept; trying again';
    this.sweep = rounds({ ...options, what: 'bodies', trouble }, () => this.#sweep());
  }

  /** Sweeps once a minute; several processes may. @returns a function that stops it. */
  start(): () => void {
    return every(EVERY_MS, this.sweep);
  }

  async #sweep(): Promise<void> {
    const { bodies, queue, region, shards, watch, clock, log } = this.#o;
    const now = clock.monotonic();
    const missing = new Map<string, number>();
    for await (const { id } of bodies.list()) {
      if (await queue.holds(region, shards, id)) continue;
      const since = this.#missing.get(id) ?? now;
      missing.set(id, since);
      if (now - since < MISSING_MS) continue;
      await bodies.drop(id);
      missing.delete(id);
      watch.removed('body');
      log.info({ id }, 'body without a request removed');
    }
    this.#missing = missing;
    await bodies.tidy();
  }
}
