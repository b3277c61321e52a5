/** The webhook half of a tasks process, put together: from the event outbox to the customers' endpoints. */
import { WEBHOOK_ATTEMPTS } from '@penstock/policy';
import type { Clock, Logger } from '@penstock/runtime';
import {
  type DeliveryJobs,
  RedisDeliveries,
  RedisEventOutbox,
  type RedisOptions,
  RedisWebhooks,
  SealedWebhooks,
  type Seals,
} from '@penstock/transport';
import { BullDeliveries, DELIVERIES_AT_ONCE } from '@penstock/transport/bullmq';
import type { AllowList } from '@penstock/transport/egress';
import { GuardedPoster } from '@penstock/transport/guarded-poster';
import { SlotShares } from '../slot-shares.ts';
import { readConfiguredWebhooks, toManagedEndpoint } from './configured-webhooks.ts';
import { EndpointGate } from './endpoint-gate.ts';
import { EventFanout } from './event-fanout.ts';
import { type DeliveryObserver, EventSender } from './event-sender.ts';

export interface WebhooksOptions {
  readonly redis: RedisOptions;
  /** Of the endpoints' secrets. */
  readonly seals: Seals;
  readonly allow: AllowList;
  /** Endpoints that the operator configured, as JSON. */
  readonly configured: string | undefined;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly scale: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observers: readonly DeliveryObserver[];
  /** Ends the process with an error that names the variable of what is configured. */
  readonly blame: (err: Error) => never;
}

export interface Webhooks {
  counts(): ReturnType<DeliveryJobs['counts']>;
  stop(): Promise<void>;
}

export async function startWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { redis, seals, clock, log, scale, timeoutMs, allow, observers } = options;
  const managed = configuredEndpoints(options);
  const records = new SealedWebhooks(await RedisWebhooks.connect(redis), seals);
  const deliveries = await RedisDeliveries.connect(redis);
  const outbox = await RedisEventOutbox.connect(redis);
  const jobs = new BullDeliveries(redis, WEBHOOK_ATTEMPTS);
  await records.replaceManaged(managed);
  const delivery = new EventSender({
    ...{ records, log: deliveries, clock, logger: log, scale, timeoutMs, observers },
    poster: new GuardedPoster({ allow, timeoutMs }),
    gate: new EndpointGate(clock, options.concurrency),
    slots: new SlotShares(DELIVERIES_AT_ONCE, Math.random),
    rand: Math.random,
  });
  jobs.work(
    (job, attempt, stop) => delivery.run(job, attempt, stop),
    err => log.warn({ err }, 'error in the webhook job queue'),
  );
  const fanout = new EventFanout({ outbox, records, log: deliveries, jobs, logger: log });
  fanout.start();
  const stop = async () => {
    fanout.stop();
    await Promise.all([outbox.close(), jobs.close()]);
    await Promise.all([records.close(), deliveries.close()]);
  };
  return { counts: () => jobs.counts(), stop };
}

function configuredEndpoints({ configured = '[]', allow, clock, blame }: WebhooksOptions) {
  try {
    return readConfiguredWebhooks(configured, allow).map(each => toManagedEndpoint(each, clock.now()));
  } catch (err) {
    return blame(err as Error);
  }
}
