/**
 * Queues that no worker pulls from any more although their model has workers: its engines were swapped for others, with other
 * endpoints. What waits there would wait until its deadline. While a model has no worker at all, its requests wait for one.
 */
import { queuesOf } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { Members } from './members.ts';

/** A worker that is started again, with the same engine, is away for a while, ms. */
export const ABANDONED_AFTER_MS = 10_000;
/** Queues that are remembered, the latest: engines are rarely swapped. */
const MOST_QUEUES = 1000;

export class AbandonedQueues {
  readonly #members: Members;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** Queue → slug of its model; last seen last. */
  readonly #seen = new Map<string, string>();
  /** Queue → since when nobody pulls from it, monotonic ms. */
  readonly #since = new Map<string, number>();
  /** {@link Members.version} that they are of. */
  #version = -1;

  constructor(members: Members, clock: Pick<Clock, 'monotonic'>) {
    this.#members = members;
    this.#clock = clock;
  }

  has(queue: string): boolean {
    const since = this.#since.get(queue);
    return since !== undefined && this.#clock.monotonic() - since >= ABANDONED_AFTER_MS;
  }

  /** @param withinMs those that nobody has pulled from for no longer than this. */
  recent(withinMs: number): string[] {
    const now = this.#clock.monotonic();
    return [...this.#since].flatMap(([queue, since]) =>
      this.has(queue) && now - since < withinMs ? [queue] : [],
    );
  }

  /** To be called once a second. */
  sweep(): void {
    if (this.#version === this.#members.version) return;
    this.#version = this.#members.version;
    const pulled = new Set<string>();
    const models = new Set<string>();
    for (const { heartbeat } of this.#members.all())
      for (const model of heartbeat.models) {
        models.add(model.slug);
        for (const queue of queuesOf(model)) {
          pulled.add(queue);
          this.#remember(queue, model.slug);
        }
      }
    const now = this.#clock.monotonic();
    for (const [queue, model] of this.#seen) {
      if (pulled.has(queue) || !models.has(model)) this.#since.delete(queue);
      else if (!this.#since.has(queue)) this.#since.set(queue, now);
    }
  }

  #remember(queue: string, model: string): void {
    this.#seen.delete(queue);
    this.#seen.set(queue, model);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size <= MOST_QUEUES || oldest === undefined) return;
    this.#seen.delete(oldest);
    this.#since.delete(oldest);
  }
}
