/** A tasks process: runs batches, delivers webhooks, keeps deadlines. It has no port; several may run, and any may die. */
import { setTimeout as sleep } from 'node:timers/promises';
import { watchFleet } from '@penstock/fleet';
import { HEARTBEAT_MS, TokenEstimator } from '@penstock/policy';
import type { Endpoint } from '@penstock/protocol';
import { DoneChannel, RunAttempts, RunCanceller, RunExpiry } from '@penstock/runs';
import {
  bucketOf,
  createIdSource,
  createLogger,
  exitBlaming,
  keepHeapSmall,
  modelRulesOf,
  readConfigOrExit,
  stopOnSignal,
  systemClock,
} from '@penstock/runtime';
import {
  BullBatches,
  ClaimCheck,
  FileLibrary,
  NatsWorkQueue,
  openStores,
  RedisModelRegistry,
  RedisRunDeadlines,
  RedisRunStore,
  RedisTaskRecords,
} from '@penstock/transport';
import { BatchRunner } from './batches/batch-runner.ts';
import { FeedRoom } from './batches/feed-room.ts';
import { LineFeeder } from './batches/line-feeder.ts';
import { servedLine } from './batches/served-line.ts';
import { tasksConfig } from './config.ts';
import { BodySweeper } from './housekeeping/body-sweeper.ts';
import { watchDeadlines } from './housekeeping/run-deadlines.ts';
import { startSweeping } from './housekeeping/sweeper.ts';
import { WithdrawnModels } from './housekeeping/withdrawn-models.ts';
import { startWebhooks } from './webhooks/start.ts';

keepHeapSmall();
const config = readConfigOrExit(tasksConfig);
const nextId = createIdSource();
const id = config.PENSTOCK_TASKS_ID ?? `tasks-${nextId().slice(0, 8)}`;
const log = createLogger({ service: id, level: config.PENSTOCK_LOG_LEVEL });
const region = config.PENSTOCK_REGION;
const redis = { url: config.PENSTOCK_REDIS_URL, name: id };

const queue = await NatsWorkQueue.connect({ url: config.PENSTOCK_NATS_URL, name: id }).catch(
  exitBlaming('PENSTOCK_NATS_URL'),
);
const registry = await RedisModelRegistry.connect(redis).catch(exitBlaming('PENSTOCK_REDIS_URL'));
const runs = await RedisRunStore.connect(redis);
const records = await RedisTaskRecords.connect(redis);
const batches = new BullBatches(config.PENSTOCK_REDIS_URL);

const { contents, bodies } = await openStores(config.PENSTOCK_FILES_DIR, bucketOf(config), region).catch(
  exitBlaming('PENSTOCK_FILES_S3_BUCKET'),
);
const claims = new ClaimCheck(bodies, config.PENSTOCK_INLINE_BODY_BYTES);
const library = new FileLibrary(records, contents);
const { modelNames, modelDefaultsOf } = modelRulesOf(config);
const fleet = await watchFleet({
  region,
  shards: config.PENSTOCK_SHARDS,
  channel: queue,
  registry,
  clock: systemClock,
  names: modelNames,
  rand: Math.random,
});
const done = new DoneChannel(queue, region);
const ttl = { recordMs: config.PENSTOCK_RESULT_TTL_S * 1000, logMs: config.PENSTOCK_EVENTS_TTL_S * 1000 };
const expiry = new RunExpiry({ store: runs, claims, done, ttl, clock: systemClock });
const withdrawn = new WithdrawnModels({
  ...{ fleet, queue, claims, region, shards: config.PENSTOCK_SHARDS, name: id, clock: systemClock, log },
  attempts: new RunAttempts({ store: runs, expiry, done, ttl, clock: systemClock }),
});
const sweepingFleet = setInterval(() => {
  fleet.sweep();
  withdrawn.look();
}, HEARTBEAT_MS);
const canceller = new RunCanceller({ store: runs, queue, claims, done, ttl, clock: systemClock });
const queueFor = (name: string, endpoint: Endpoint) => {
  const model = fleet.model(name);
  return model === undefined ? null : fleet.queueFor(model, endpoint);
};
const estimator = new TokenEstimator();
const room = new FeedRoom(config.PENSTOCK_BATCH_WINDOW);
const runner = new BatchRunner({
  records,
  contents,
  library,
  mostLineBytes: config.PENSTOCK_BODY_LIMIT_BYTES,
  runs,
  rules: {
    isModel: name => fleet.isModel(name),
    hasEndpoint: (name, endpoint) => queueFor(name, endpoint) !== null,
    whenHeard: async () => {
      while (fleet.unheardMs > 0) await sleep(fleet.unheardMs);
    },
    oneModel: config.PENSTOCK_BATCH_ONE_MODEL,
  },
  newFeeder: input =>
    new LineFeeder({
      ...input,
      ...{ records, runs, canceller, queue, claims, region, room, estimator, clock: systemClock },
      shardFor: slug => fleet.shardFor(slug),
      queueFor,
      served: line => servedLine(line, fleet.model(line.summary.model), modelDefaultsOf),
    }),
  estimator,
  turns: room.turns,
  clock: systemClock,
  log,
});
done.listen(id => runner.heard(id));
batches.work(
  batchId => runner.run(batchId),
  (batchId, err) => log.error({ batch: batchId, err: err.message }, 'batch interrupted; it will be resumed'),
);
const stopWebhooks = await startWebhooks({
  redis,
  allow: config.PENSTOCK_WEBHOOK_ALLOW,
  configured: config.PENSTOCK_WEBHOOKS,
  configuredFile: config.PENSTOCK_WEBHOOKS_FILE,
  timeoutMs: config.PENSTOCK_WEBHOOK_TIMEOUT_MS,
  concurrency: config.PENSTOCK_WEBHOOK_CONCURRENCY,
  scale: config.PENSTOCK_WEBHOOK_SCHEDULE_SCALE,
  clock: systemClock,
  log,
  blame: exitBlaming,
});
const deadlines = await RedisRunDeadlines.connect(redis);
const stopDeadlines = watchDeadlines({
  runs,
  expiry,
  deadlines,
  clock: systemClock,
  logger: log,
});
const stopSweeping = startSweeping({ records, contents, library, jobs: batches, clock: systemClock, log });
const stopSweepingBodies = new BodySweeper({
  ...{ bodies, queue, region, shards: config.PENSTOCK_SHARDS, clock: systemClock, log },
}).start();
log.info({ region }, 'tasks started');

stopOnSignal(log, [
  {
    name: 'leave batches to others',
    limitMs: 2000,
    run: () => {
      stopSweeping();
      stopSweepingBodies();
      clearInterval(sweepingFleet);
      stopDeadlines();
      return batches.close();
    },
  },
  { name: 'leave webhooks to others', limitMs: 2000, run: stopWebhooks },
  {
    name: 'close wires',
    limitMs: 2000,
    run: () =>
      Promise.all([queue, registry, runs, records, deadlines].map(wire => wire.close())).then(() => {}),
  },
]);
