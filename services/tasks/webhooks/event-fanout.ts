/**
 * Moves events from the outbox to the job queue, with one job for each endpoint that subscribed to the event. Jobs are named by
 * event and endpoint, so doing it twice changes nothing; an event leaves the outbox only once its jobs are queued.
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

/** How long a read waits for an event, ms. */
const WAIT_MS = 5000;
/** Interval of looking for events that a dead process had taken, ms. */
const ABANDONED_EVERY_MS = 5000;
const TROUBLE_PAUSE_MS = 500;

export class EventFanout {
  readonly #o: EventFanoutOptions;
  #stopped = false;

  constructor(options: EventFanoutOptions) {
    this.#o = options;
  }

  start(): void {
    const { outbox, jobs } = this.#o;
    const add = (wanted: readonly DeliveryJob[]) => jobs.add(wanted);
    const completeAdd = (wanted: readonly DeliveryJob[]) => jobs.completeAdd(wanted);
    void this.#repeat(async () => this.#handOut(await outbox.next(WAIT_MS), add), 0);
    void this.#repeat(async () => this.#handOut(await outbox.abandoned(), completeAdd), ABANDONED_EVERY_MS);
  }

  async #repeat(handOut: () => Promise<void>, pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      try {
        await handOut();
        if (pauseMs > 0) await sleep(pauseMs, undefined, { ref: false });
      } catch (err) {
        if (this.#stopped) return;
        this.#o.logger.warn({ err }, 'events could not be handed out; trying again');
        await sleep(TROUBLE_PAUSE_MS);
      }
    }
  }

  async #handOut(
    events: readonly OutboxEvent[],
    add: (jobs: readonly DeliveryJob[]) => Promise<void>,
  ): Promise<void> {
    if (events.length === 0) return;
    const { records, log, outbox } = this.#o;
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
      return takers.map(({ endpoint }) => ({ endpoint: endpoint.id, event, tenant: told.tenant }));
    });
    if (wanted.length > 0) {
      await log.open(
        wanted.map(({ endpoint, event }) => ({ id: deliveryId(event.id, endpoint), endpoint, event })),
      );
      await add(wanted);
    }
    await outbox.done(events.map(event => event.entry));
  }

  /** Events that were read and not handed out are left to another process, or to this one after a restart. */
  stop(): void {
    this.#stopped = true;
  }
}

function toEvent({ type, resource, at }: OutboxEvent): WebhookEvent | null {
  if (type === null) return null;
  return { id: eventId(resource, type), type, resource, createdAt: Math.floor(at / 1000) };
}
