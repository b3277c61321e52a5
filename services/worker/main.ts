/** A worker process: reads its configuration, connects, pulls until a signal, and leaves in order. */
import { setTimeout as sleep } from 'node:timers/promises';
import { joinRegion } from '@penstock/fleet/nodes';
import { shardOf } from '@penstock/protocol';
import { DoneChannel, RunAttempts, RunExpiry } from '@penstock/runs';
import {
  ByteBudget,
  bucketOf,
  closeWires,
  createIdSource,
  createLogger,
  DroppedMessages,
  equalSettings,
  exitBlaming,
  monitoringAddress,
  NATS,
  natsOf,
  REDIS,
  readConfigOrExit,
  redisOf,
  regionClock,
  startMonitoringOrExit,
  startTracingOrExit,
  stopOnSignal,
  unhandledTo,
  VERSION,
  warnOfClearText,
  whenThere,
} from '@penstock/runtime';
import {
  ClaimCheck,
  GivenSeals,
  NatsWorkQueue,
  openStores,
  RedisReplyBus,
  RedisRunLog,
  RedisRunStore,
  readTlsMaterial,
  SealedBodies,
  SealedRunLog,
  SealedRunStore,
  type TlsMaterial,
} from '@penstock/transport';
import { AttemptTracing } from './attempts/attempt-tracing.ts';
import { AttemptTrails } from './attempts/attempt-trails.ts';
import { BodyLoader } from './attempts/body-loader.ts';
import { Continuing } from './attempts/continuing.ts';
import { workerConfig } from './config.ts';
import { Engine } from './engine/engine.ts';
import { createWorkerMetrics } from './metrics.ts';
import { whyNotReady } from './status.ts';
import { StoredRuns } from './stored/stored-runs.ts';
import { Worker } from './worker.ts';

const config = readConfigOrExit(workerConfig);
const id = config.PENSTOCK_WORKER_ID ?? `w-${createIdSource()().slice(0, 8)}`;
/** A restarted worker keeps its name, but not what the process before it was running. */
const incarnation = createIdSource()().slice(0, 8);
const log = createLogger({ service: id, level: config.PENSTOCK_LOG_LEVEL });
const stopping = stopOnSignal(log);
warnOfClearText(config, log);

const tracing = await startTracingOrExit({
  ...{ service: 'worker', instance: id, version: VERSION, region: config.PENSTOCK_REGION },
  trouble: err => log.warn({ err }, 'traces could not be sent, and are lost'),
});

const dropped = new DroppedMessages();
const onUnhandled = unhandledTo(log, dropped);
const redis = redisOf(config, id, log, onUnhandled);
const there = whenThere(log);
const queue = await there(NATS, () =>
  NatsWorkQueue.connect({ ...natsOf(config, id), served: config.PENSTOCK_REGION, onUnhandled }),
);
const bus = await there(REDIS, () => RedisReplyBus.connect({ ...redis, clock: regionClock }));
const membership = await joinRegion({
  nodes: bus.nodes,
  log,
  name: id,
  settings: equalSettings(workerConfig, config),
});
const seals = new GivenSeals(config.PENSTOCK_WORK_KEYS ?? null);
const runs = new SealedRunStore(await there(REDIS, () => RedisRunStore.connect(redis)), seals);
const runLog = new SealedRunLog(await there(REDIS, () => RedisRunLog.connect(redis)), seals, runs);
const shard = shardOf(id, config.PENSTOCK_SHARDS);
const ttl = { recordMs: config.PENSTOCK_RESULT_TTL_S * 1000, logMs: config.PENSTOCK_EVENTS_TTL_S * 1000 };
const contentStores = await openStores(
  config.PENSTOCK_FILES_DIR,
  bucketOf(config),
  config.PENSTOCK_REGION,
).catch(exitBlaming('PENSTOCK_FILES_S3_BUCKET'));
const bodies = new SealedBodies(contentStores.bodies, seals);
/** Checks nothing in: a worker only discards what its requests claimed. */
const claims = new ClaimCheck(bodies, Number.POSITIVE_INFINITY);
const life = {
  claims,
  store: runs,
  done: new DoneChannel(queue, config.PENSTOCK_REGION),
  ttl,
  clock: regionClock,
};
const engine = new Engine({
  url: config.PENSTOCK_ENGINE_URL,
  apiKey: config.PENSTOCK_ENGINE_API_KEY,
  tls: readTlsOrExit('PENSTOCK_ENGINE', {
    ...{ ca: config.PENSTOCK_ENGINE_CA, cert: config.PENSTOCK_ENGINE_CERT, key: config.PENSTOCK_ENGINE_KEY },
  }),
  connections: config.PENSTOCK_SLOTS,
  endpoints: config.PENSTOCK_ENGINE_ENDPOINTS,
  plainCalls: config.PENSTOCK_STREAM_PLAIN_CALLS,
});
const continuing = new Continuing({ engine, configured: config.PENSTOCK_CONTINUES, log });
const stored = new StoredRuns({
  store: runs,
  attempts: new RunAttempts({ ...life, expiry: new RunExpiry(life) }),
  log: runLog,
  ...{ bodies, claims, continuing, seals },
  queue,
  worker: id,
  ackWaitMs: config.PENSTOCK_ACK_WAIT_MS,
  clock: regionClock,
  logger: log,
});
const watchedAt = monitoringAddress(config);
const metrics =
  watchedAt === null
    ? null
    : createWorkerMetrics(() => worker.status(), config.PENSTOCK_SLOTS, dropped, regionClock);
const trails = new AttemptTrails({
  ...{ trails: bus.trails, share: config.PENSTOCK_TRAIL_SAMPLE, worker: id, clock: regionClock },
});
const worker: Worker = new Worker({
  id,
  incarnation,
  region: config.PENSTOCK_REGION,
  pool: config.PENSTOCK_POOL,
  shard,
  slots: config.PENSTOCK_SLOTS,
  architecture: config.PENSTOCK_ARCHITECTURE ?? null,
  serves: config.PENSTOCK_MODELS,
  mostModels: config.PENSTOCK_MOST_MODELS,
  listEveryMs: config.PENSTOCK_MODEL_LIST_MS,
  ackWaitMs: config.PENSTOCK_ACK_WAIT_MS,
  boundaries: config.PENSTOCK_SIZE_BOUNDARIES,
  tickMs: config.PENSTOCK_TICK_MS,
  limitsOf: slug => ({
    firstTokenMs: config.PENSTOCK_FIRST_TOKEN_TIMEOUT_MS(slug),
    betweenTokensMs: config.PENSTOCK_IDLE_TIMEOUT_MS(slug),
  }),
  queue,
  bus,
  models: bus.models,
  bodies: new BodyLoader(bodies, new ByteBudget(config.PENSTOCK_BODY_BUDGET_BYTES)),
  engine,
  continuing,
  ...{ stored, seals },
  observers: metrics === null ? [trails] : [trails, metrics.attempts],
  tracing:
    tracing === null
      ? null
      : new AttemptTracing({ tracing, worker: id, engineUrl: config.PENSTOCK_ENGINE_URL }),
  clock: regionClock,
  dropped,
  log,
});
if (watchedAt !== null && metrics !== null) {
  const notReady = () => whyNotReady(worker.status(), { hasNats: queue.connected, hasRedis: bus.connected });
  await startMonitoringOrExit({ ...watchedAt, metrics: metrics.set, notReady }, log);
}
worker.start();
log.info({ engine: new URL(config.PENSTOCK_ENGINE_URL).host }, 'worker started');

stopping.by([
  { name: 'stop pulling', limitMs: 2000, run: () => worker.drain() },
  {
    name: 'finish running requests',
    limitMs: config.PENSTOCK_DRAIN_MS,
    run: async () => {
      while (worker.running > 0 || worker.pendingReplyBytes > 0) await sleep(20);
    },
  },
  { name: 'hand back the rest', limitMs: 200, run: () => worker.handBack() },
  {
    name: 'send what is left',
    limitMs: 2000,
    run: async () => {
      worker.leave();
      while (worker.pendingReplyBytes > 0 || stored.pending > 0) await sleep(10);
    },
  },
  { name: 'leave the region', limitMs: 500, run: () => membership.leave() },
  { name: 'send traces', limitMs: 2000, run: () => tracing?.stop() },
  closeWires([queue, bus, runs, runLog, engine]),
]);

function readTlsOrExit(of: string, material: TlsMaterial): TlsMaterial {
  try {
    return readTlsMaterial(of, material) ?? {};
  } catch (err) {
    return exitBlaming(`${of}_CA`)(err as Error);
  }
}
