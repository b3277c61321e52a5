/** The webhook half of a tasks process: from the outbox to the endpoints. */
import { WEBHOOK_ATTEMPTS } from '@penstock/policy';
import type { Clock, Logger } from '@penstock/runtime';
import {
  type AllowList,
  BullDeliveries,
  GuardedPoster,
  RedisDeliveries,
  RedisEventOutbox,
  type RedisOptions,
  RedisWebhooks,
} from '@penstock/transport';
import { readConfiguredWebhooks, readWebhooksFile, toManagedEndpoint } from './configured-webhooks.ts';
import { EndpointGate } from './endpoint-gate.ts';
import { EventFanout } from './event-fanout.ts';
import { WebhookDelivery } from './webhook-delivery.ts';

export interface WebhooksOptions {
  readonly redis: RedisOptions;
  readonly allow: AllowList;
  /** Endpoints of the operator: JSON, or the path of a file. */
  readonly configured: string | undefined;
  readonly configuredFile: string | undefined;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly scale: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the process with the name of the variable that is wrong. */
  readonly blame: (variable: string) => (err: Error) => never;
}

/** @returns how to stop it. */
export async function startWebhooks(options: WebhooksOptions): Promise<() => Promise<void>> {
  const { redis, clock, log, scale, timeoutMs, allow } = options;
  const managed = configuredEndpoints(options);
  const records = await RedisWebhooks.connect(redis);
  const deliveries = await RedisDeliveries.connect(redis);
  const outbox = await RedisEventOutbox.connect(redis);
  const jobs = new BullDeliveries(redis.url, WEBHOOK_ATTEMPTS);
  await records.replaceManaged(managed);
  const delivery = new WebhookDelivery({
    ...{ records, log: deliveries, clock, logger: log, scale, timeoutMs },
    poster: new GuardedPoster({ allow, timeoutMs }),
    gate: new EndpointGate(clock, options.concurrency),
    rand: Math.random,
  });
  jobs.work(
    (job, attempt, stop) => delivery.run(job, attempt, stop),
    err => log.warn({ err: err.message }, 'trouble with the queue of webhooks'),
  );
  const fanout = new EventFanout({ outbox, records, log: deliveries, jobs, logger: log });
  fanout.start();
  return async () => {
    fanout.stop();
    await Promise.all([outbox.close(), jobs.close()]);
    await Promise.all([records.close(), deliveries.close()]);
  };
}

function configuredEndpoints({ configured, configuredFile, allow, clock, blame }: WebhooksOptions) {
  const variable = configured === undefined ? 'PENSTOCK_WEBHOOKS_FILE' : 'PENSTOCK_WEBHOOKS';
  try {
    const json = configured ?? (configuredFile === undefined ? '[]' : readWebhooksFile(configuredFile));
    return readConfiguredWebhooks(json, allow).map(each => toManagedEndpoint(each, clock.now()));
  } catch (err) {
    return blame(variable)(err as Error);
  }
}
