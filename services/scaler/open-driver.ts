/** The driver that the settings name, with the lease that belongs to it. What only one of them needs is loaded with it. */
import type { LeaderHold } from '@penstock/fleet/leadership';
import { type Clock, exitBlaming, type Logger } from '@penstock/runtime';
import type { z } from 'zod';
import type { scalerConfig } from './config.ts';
import { AdviseDriver } from './drivers/advise.ts';
import type { Driver } from './drivers/driver.ts';

export interface OpenedDriver {
  readonly driver: Driver;
  /** Of which of several scalers decides; null where a name in Redis says it. */
  readonly lease: LeaderHold | null;
}

interface Host {
  readonly name: string;
  readonly nextId: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

type Config = Readonly<z.infer<typeof scalerConfig>>;

/** How long what a simulated worker runs may go on after SIGTERM, ms. */
const END_MS = 10_000;

export async function openDriver(config: Config, host: Host): Promise<OpenedDriver> {
  switch (config.PENSTOCK_SCALE_DRIVER) {
    case 'advise':
      return { driver: new AdviseDriver(), lease: null };
    case 'process':
      return { driver: await processDriver(config, host), lease: null };
    case 'webhook':
      return { driver: await webhookDriver(config, host), lease: null };
    case 'kubernetes':
      return kubernetesDriver(config, host);
  }
}

async function processDriver(
  { PENSTOCK_POOLS: pools, PENSTOCK_SCALE_START_MS: startMs, PENSTOCK_SCALE_WORKER_ENV: own }: Config,
  { nextId, log }: Host,
) {
  const [{ ProcessDriver }, { workerEnvironment }] = await Promise.all([
    import('./process/process-driver.ts'),
    import('./process/environment.ts'),
  ]);
  const env = workerEnvironment(process.env, own);
  return new ProcessDriver({ pools, env, startMs, endMs: END_MS, nextId, log });
}

async function webhookDriver(config: Config, { nextId, clock }: Host): Promise<Driver> {
  const { PENSTOCK_SCALE_WEBHOOK_URL: url, PENSTOCK_SCALE_WEBHOOK_SECRET: secret } = config;
  const missing = exitBlaming(
    url === undefined ? 'PENSTOCK_SCALE_WEBHOOK_URL' : 'PENSTOCK_SCALE_WEBHOOK_SECRET',
  );
  if (url === undefined || secret === undefined) return missing(new Error('the driver webhook needs it'));
  const [{ WebhookDriver }, { GuardedPoster }] = await Promise.all([
    import('./drivers/webhook.ts'),
    import('@penstock/transport/guarded-poster'),
  ]);
  const poster = new GuardedPoster({
    allow: config.PENSTOCK_WEBHOOK_ALLOW,
    timeoutMs: config.PENSTOCK_SCALE_LIMIT_MS,
  });
  return new WebhookDriver({
    url,
    secret,
    region: config.PENSTOCK_REGION,
    poster,
    now: () => clock.now(),
    nextId,
  });
}

async function kubernetesDriver(config: Config, { name, nextId, clock, log }: Host): Promise<OpenedDriver> {
  const [{ ClusterApi, clusterOf }, { KubernetesDriver }, { KubernetesLease }] = await Promise.all([
    import('./kubernetes/cluster-api.ts'),
    import('./kubernetes/kubernetes-driver.ts'),
    import('./kubernetes/lease.ts'),
  ]);
  const blame = exitBlaming('PENSTOCK_SCALE_DRIVER');
  try {
    const api = new ClusterApi(clusterOf(process.env), config.PENSTOCK_SCALE_LIMIT_MS);
    const lease = `penstock-scaler-${config.PENSTOCK_REGION}`;
    return {
      driver: new KubernetesDriver(api, config.PENSTOCK_POOLS),
      lease: new KubernetesLease({
        api,
        name: lease,
        identity: `${name}_${nextId().slice(0, 8)}`,
        clock,
        log,
      }),
    };
  } catch (err) {
    return blame(err as Error);
  }
}
