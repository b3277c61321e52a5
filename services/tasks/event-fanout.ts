/**
 * Hands events out: from the outbox to a job for each endpoint that wants them. Doing it twice changes nothing, as jobs are
 * named by event and endpoint, so an entry leaves the outbox only after its jobs are there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { deliveryId, eventId, type WebhookEvent } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import type {
  DeliveryJob,
  DeliveryJobs,
  DeliveryLog,
  EventOutbox,
  OutboxEvent,
  WebhookRecords,
} from '@penstock/transport';

export interface EventFanoutOptions {
  readonly outbox: EventOutbox;
  readonly records: WebhookRecords;
  readonly log: DeliveryLog;
  readonly jobs: DeliveryJobs;
  readonly logger: Logger;
}

/** How long a read waits for news, ms. */
const WAIT_MS = 5000;
/** Between looks for what a dead process left behind, ms. */
const ABANDONED_EVERY_MS = 5000;
const TROUBLE_PAUSE_MS = 500;

export class EventFanout {
  readonly #o: EventFanoutOptions;
  #stopped = false;

  constructor(options: EventFanoutOptions) {
    this.#o = options;
  }

  start(): void {
    void this.#repeat(() => this.#o.outbox.next(WAIT_MS), 0);
    void this.#repeat(() => this.#o.outbox.abandoned(), ABANDONED_EVERY_MS);
  }

  async #repeat(read: () => Promise<OutboxEvent[]>, pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.handOut(await read());
        if (pauseMs > 0) await sleep(pauseMs, undefined, { ref: false });
      } catch (err) {
        if (this.#stopped) return;
        this.#o.logger.warn({ err: (err as Error).message }, 'events not handed out; trying again');
        await sleep(TROUBLE_PAUSE_MS);
      }
    }
  }

  async handOut(events: readonly OutboxEvent[]): Promise<void> {
    if (events.length === 0) return;
    const { records, log, jobs, outbox } = this.#o;
    const tenants = [...new Set(events.map(event => event.tenant))];
    const endpoints = new Map(
      await Promise.all(tenants.map(async tenant => [tenant, await records.list(tenant)] as const)),
    );
    const wanted: DeliveryJob[] = events.flatMap(told => {
      const event = toEvent(told);
      if (event === null) return [];
      const takers = (endpoints.get(told.tenant) ?? []).filter(
        ({ endpoint }) => endpoint.disabled === null && endpoint.eventTypes.includes(event.type),
      );
      return takers.map(({ endpoint }) => ({ endpoint: endpoint.id, event }));
    });
    if (wanted.length > 0) {
      await log.open(
        wanted.map(({ endpoint, event }) => ({ id: deliveryId(event.id, endpoint), endpoint, event })),
      );
      await jobs.add(wanted);
    }
    await outbox.done(events.map(event => event.entry));
  }

  /** What is in hand goes to another process, or to this one when it comes back. */
  stop(): void {
    this.#stopped = true;
  }
}

function toEvent({ type, resource, at }: OutboxEvent): WebhookEvent | null {
  if (type === null) return null;
  return { id: eventId(resource, type), type, resource, createdAt: Math.floor(at / 1000) };
}
