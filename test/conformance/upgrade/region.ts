/** A region whose processes are of one release or another, each replaced on its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildEngine } from '@penstock/engine-sim';
import { startNats } from '../../../testkit/nats.ts';
import { startBalancer } from '../../../testkit/network/balancer.ts';
import { freePort } from '../../../testkit/ports.ts';
import { type ServiceProcess, startProcess } from '../../../testkit/process.ts';
import { startRedis } from '../../../testkit/redis.ts';
import { API_KEY, waitFor } from '../../../testkit/stack.ts';
import { argumentsOf, type Release } from './releases.ts';

/** A node that was taken out of the balancer has its last request by then, ms. Releases without a lame duck do not wait for it themselves. */
const LAST_REQUEST_MS = 500;

interface Place {
  readonly service: string;
  readonly env: Record<string, string>;
  readonly ready: string;
}

/** In the documented order of an upgrade: docs/upgrading.md. */
export const ORDER = ['tasks', 'in-1', 'in-2', 'w-1', 'w-2'] as const;
type Name = (typeof ORDER)[number];

export type UpgradeRegion = Awaited<ReturnType<typeof startRegion>>;

export async function startRegion(release: Release) {
  await using parts = new AsyncDisposableStack();
  const nats = parts.adopt(await startNats(), server => server.stop());
  const redis = parts.adopt(await startRedis(), server => server.stop());
  const dir = parts.adopt(await mkdtemp(join(tmpdir(), 'penstock-files-')), path =>
    rm(path, { recursive: true, force: true }),
  );
  const shared = {
    ...{ PENSTOCK_NATS_URL: nats.url, PENSTOCK_REDIS_URL: redis.url, PENSTOCK_FILES_DIR: dir },
    PENSTOCK_LOG_LEVEL: 'info',
  };
  const places = {} as Record<Name, Place>;
  places.tasks = { service: 'tasks', env: shared, ready: 'tasks started' };
  const urls: string[] = [];
  for (const name of ['in-1', 'in-2'] as const) {
    const port = await freePort();
    urls.push(`http://127.0.0.1:${port}`);
    const own = { PENSTOCK_PORT: String(port), PENSTOCK_INGRESS_ID: name, PENSTOCK_API_KEYS: API_KEY };
    places[name] = { service: 'ingress', env: { ...shared, ...own }, ready: 'ingress listening' };
  }
  for (const name of ['w-1', 'w-2'] as const) {
    const engine = parts.adopt(buildEngine({}), each => each.close());
    await engine.listen(0);
    const own = { PENSTOCK_WORKER_ID: name, PENSTOCK_ENGINE_URL: engine.url, PENSTOCK_CONTINUES: 'yes' };
    places[name] = { service: 'worker', env: { ...shared, ...own }, ready: 'pulling' };
  }
  const processes = parts.adopt(new Map<Name, ServiceProcess>(), async all => {
    await Promise.all([...all.values()].map(each => each.stop()));
  });
  const start = async (name: Name, of: Release) => {
    const { service, env, ready } = places[name];
    const readyWhen = (line: string) => line.includes(ready);
    processes.set(
      name,
      await startProcess(process.execPath, argumentsOf(of, service), { readyWhen, cwd: of.dir }, env),
    );
  };
  for (const name of ['in-1', 'in-2', 'tasks', 'w-1', 'w-2'] as const) await start(name, release);
  const balancer = parts.adopt(startBalancer(urls), each => each.stop());
  const isReady = () => waitFor(() => balancer.ready.size === urls.length);
  await isReady();
  await waitFor(async () => (await balancer.send('/v1/models', null)).text.includes('sim-chat'));
  const running = parts.move();
  return {
    balancer,
    /** Ends one process with SIGTERM, a node once the balancer sends it nothing more, and starts it of a release. */
    async replace(name: Name, of: Release): Promise<void> {
      const url = urls[['in-1', 'in-2'].indexOf(name)];
      if (url !== undefined) balancer.takeOut(url, true);
      if (url !== undefined) await sleep(LAST_REQUEST_MS);
      await processes.get(name)?.stop();
      await start(name, of);
      if (url !== undefined) balancer.takeOut(url, false);
      await isReady();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
