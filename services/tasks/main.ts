/** A tasks process: runs batches, delivers webhooks, keeps deadlines. It serves nobody; several may run, and any may die. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  allOf,
  knownLimits,
  LimitActivity,
  limitSettingsOf,
  mayAsk,
  ProjectLimiter,
  RunPasses,
  UNRESTRICTED,
} from '@penstock/access';
import { DoorQueues, watchFleet } from '@penstock/fleet';
import { joinRegion } from '@penstock/fleet/nodes';
import { HEARTBEAT_MS, TokenEstimator } from '@penstock/policy';
import { type BatchRecord, type Endpoint, readIngressStatus } from '@penstock/protocol';
import { DoneChannel, LostRunFinder, RunAttempts, RunCanceller, RunExpiry, RunRequeue } from '@penstock/runs';
import {
  auditOptions,
  bucketOf,
  closeWires,
  createIdSource,
  createLogger,
  DroppedMessages,
  encryptionOrExit,
  equalSettings,
  exitBlaming,
  keepHeapSmall,
  modelRulesOf,
  monitoringAddress,
  NATS,
  natsOf,
  noteStart,
  oneAtATime,
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
  FileLibrary,
  NatsQueueSurvey,
  NatsWorkQueue,
  openStores,
  openVault,
  RedisAuditLog,
  RedisLimitLedger,
  RedisLimitUse,
  RedisModelRegistry,
  RedisOpenRuns,
  RedisProjectRecords,
  RedisRegionNodes,
  RedisRunDeadlines,
  RedisRunStore,
  RedisStoreSurvey,
  RedisTaskRecords,
  SealedBodies,
  SealedFiles,
  SealedRunStore,
  SealedTaskRecords,
} from '@penstock/transport';
import { BATCHES_AT_ONCE, BullBatches } from '@penstock/transport/bullmq';
import { whyNotFetched } from '@penstock/transport/egress';
import { BatchRunner } from './batches/batch-runner.ts';
import { BatchTracing } from './batches/batch-tracing.ts';
import { FeedRoom } from './batches/feed-room.ts';
import { LineFeeder } from './batches/line-feeder.ts';
import { LineLimits } from './batches/line-limits.ts';
import { servedLine } from './batches/served-line.ts';
import { tasksConfig } from './config.ts';
import { BodySweeper } from './housekeeping/body-sweeper.ts';
import { LostRuns } from './housekeeping/lost-runs.ts';
import { RegionWatch, UNSEEN } from './housekeeping/region-watch.ts';
import { watchDeadlines } from './housekeeping/run-deadlines.ts';
import { StrandedWork } from './housekeeping/stranded-work.ts';
import { startSweeping } from './housekeeping/sweeper.ts';
import { UndeliveredWork } from './housekeeping/undelivered-work.ts';
import { UnservedQueues } from './housekeeping/unserved-queues.ts';
import { WithdrawnModels } from './housekeeping/withdrawn-models.ts';
import { createTasksMetrics } from './metrics.ts';
import { SlotShares } from './slot-shares.ts';
import { DeliveryTracing } from './webhooks/delivery-tracing.ts';
import { startWebhooks } from './webhooks/start.ts';

/** How long limits that were read go on counting while Redis is away. */
const LIMITS_GRACE_MS = 300_000;

keepHeapSmall();
const config = readConfigOrExit(tasksConfig);
const nextId = createIdSource();
const id = config.PENSTOCK_TASKS_ID ?? `tasks-${nextId().slice(0, 8)}`;
const log = createLogger({ service: id, level: config.PENSTOCK_LOG_LEVEL });
const stopping = stopOnSignal(log);
warnOfClearText(config, log);
const region = config.PENSTOCK_REGION;
const dropped = new DroppedMessages();
const onUnhandled = unhandledTo(log, dropped);
const redis = redisOf(config, id, log, onUnhandled);

const tracing = await startTracingOrExit({
  ...{ service: 'tasks', instance: id, version: VERSION, region },
  trouble: err => log.warn({ err }, 'traces could not be sent, and are lost'),
});
const batchTracing = tracing === null ? null : new BatchTracing(tracing);

const there = whenThere(log);
const queue = await there(NATS, () => NatsWorkQueue.connect({ ...natsOf(config, id), onUnhandled }));
const registry = await there(REDIS, () => RedisModelRegistry.connect({ ...redis, clock: regionClock }));
const nodes = await there(REDIS, () => RedisRegionNodes.connect(redis));
const membership = await joinRegion({ nodes, log, name: id, settings: equalSettings(tasksConfig, config) });
const { vault, work, ...keys } = await there(REDIS, () =>
  openVault(redis, encryptionOrExit(config), regionClock),
);
const recheckKeys = oneAtATime(() => vault.recheck());
const runs = new SealedRunStore(await there(REDIS, () => RedisRunStore.connect(redis)), vault);
const records = new SealedTaskRecords(await there(REDIS, () => RedisTaskRecords.connect(redis)), vault);
const batches = new BullBatches(redis);

const stored = await openStores(config.PENSTOCK_FILES_DIR, bucketOf(config), region).catch(
  exitBlaming('PENSTOCK_FILES_S3_BUCKET'),
);
const contents = new SealedFiles(stored.contents, vault);
const bodies = new SealedBodies(stored.bodies, vault);
const claims = new ClaimCheck(bodies, config.PENSTOCK_INLINE_BODY_BYTES, work);
const library = new FileLibrary(records, contents);
const { modelNames, modelDefaultsOf } = modelRulesOf(config);
const fleet = await watchFleet({
  region,
  shards: config.PENSTOCK_SHARDS,
  channel: queue,
  registry,
  clock: regionClock,
  names: modelNames,
  dropped,
  rand: Math.random,
});
const done = new DoneChannel(queue, region);
const ttl = { recordMs: config.PENSTOCK_RESULT_TTL_S * 1000, logMs: config.PENSTOCK_EVENTS_TTL_S * 1000 };
const expiry = new RunExpiry({ store: runs, claims, done, ttl, clock: regionClock });
const withdrawn = new WithdrawnModels({
  ...{ fleet, queue, claims, region, shards: config.PENSTOCK_SHARDS, name: id, clock: regionClock, log },
  attempts: new RunAttempts({ store: runs, expiry, done, ttl, clock: regionClock }),
});
const sweepingFleet = setInterval(() => {
  void recheckKeys();
  fleet.sweep();
  withdrawn.look();
}, HEARTBEAT_MS);
const canceller = new RunCanceller({ store: runs, queue, claims, done, region, ttl, clock: regionClock });
const queueFor = (name: string, endpoint: Endpoint) => {
  const model = fleet.model(name);
  return model === undefined ? null : fleet.queueFor(model, endpoint);
};
const targetOf = (name: string) => fleet.target(name);
/** A model that may stand in serves a line only where whoever made the batch may ask for it. */
const servingModel = ({ permissions = UNRESTRICTED }: BatchRecord, name: string) => {
  const model = fleet.model(name);
  return model !== undefined && mayAsk(permissions, model.name, targetOf) ? model : undefined;
};
const estimator = new TokenEstimator();
const room = new FeedRoom(config.PENSTOCK_BATCH_WINDOW);
let regionWatch: RegionWatch | null = null;
const metrics = createTasksMetrics({
  region: () => regionWatch?.state ?? UNSEEN,
  batches: () => runner.open,
  nameOf: slug => fleet.nameOf(slug),
  dropped,
  clock: regionClock,
});
const ledger = await there(REDIS, () => RedisLimitLedger.connect(redis));
const limitUse = await there(REDIS, () => RedisLimitUse.connect(redis));
const projects = await there(REDIS, () => RedisProjectRecords.connect(redis));
const known = knownLimits(projects, LIMITS_GRACE_MS, regionClock);
const activity = new LimitActivity(limitUse, regionClock);
const observer = allOf([metrics.limits, activity.withoutRefusals()]);
const limiter = new ProjectLimiter({
  ...{ ledger, settings: limitSettingsOf(config), targetOf, observer, clock: regionClock },
});
const passes = new RunPasses(runs);
const limits = new LineLimits({ limiter, known, passes, estimator });
const countingLimits = setInterval(() => {
  for (const each of [known, limiter, passes, activity]) each.tick();
}, 1000);
const runner: BatchRunner = new BatchRunner({
  records,
  contents,
  library,
  mostLineBytes: config.PENSTOCK_BODY_LIMIT_BYTES,
  runs,
  rules: {
    isModel: name => fleet.isModel(name),
    mayAsk: (permissions, name) => mayAsk(permissions, fleet.target(name), targetOf),
    hasEndpoint: (name, endpoint) => queueFor(name, endpoint) !== null,
    whenHeard: async () => {
      while (fleet.unheardMs > 0) await sleep(fleet.unheardMs);
    },
    oneModel: config.PENSTOCK_BATCH_ONE_MODEL,
    engineRules: {
      allowedFields: config.PENSTOCK_ENGINE_FIELDS,
      whyNotFetched: url => whyNotFetched(url, config.PENSTOCK_MEDIA_ALLOW),
    },
  },
  newFeeder: input =>
    new LineFeeder({
      ...input,
      ...{ records, runs, canceller, queue, claims, region, room, estimator, limits },
      ...{ tracing: batchTracing, clock: regionClock },
      finder: new LostRunFinder({ runs, queue, region, shards: config.PENSTOCK_SHARDS, clock: regionClock }),
      shardFor: slug => fleet.shardFor(slug),
      queueFor,
      served: line => servedLine(line, servingModel(input.batch, line.summary.model), modelDefaultsOf),
    }),
  estimator,
  turns: room.turns,
  slots: new SlotShares(BATCHES_AT_ONCE, Math.random),
  observers: batchTracing === null ? [metrics.batches] : [metrics.batches, batchTracing],
  clock: regionClock,
  log,
});
done.listen(id => {
  runner.heard(id);
  passes.ended(id);
}, dropped);
batches.work(
  batchId => runner.run(batchId),
  (batchId, err) => {
    metrics.interrupted();
    log.error({ batch: batchId, err }, 'batch interrupted; it will be resumed');
  },
);
const webhooks = await startWebhooks({
  redis,
  seals: vault,
  allow: config.PENSTOCK_WEBHOOK_ALLOW,
  configured: config.PENSTOCK_WEBHOOKS,
  timeoutMs: config.PENSTOCK_WEBHOOK_TIMEOUT_MS,
  concurrency: config.PENSTOCK_WEBHOOK_CONCURRENCY,
  scale: config.PENSTOCK_WEBHOOK_SCHEDULE_SCALE,
  observers: tracing === null ? [metrics.webhooks] : [metrics.webhooks, new DeliveryTracing(tracing)],
  clock: regionClock,
  log,
  blame: exitBlaming('PENSTOCK_WEBHOOKS'),
});
const deadlines = await there(REDIS, () => RedisRunDeadlines.connect(redis));
const stopDeadlines = watchDeadlines({
  ...{ runs, expiry, deadlines, watch: metrics.housekeeping, clock: regionClock, log },
});
const stopSweeping = startSweeping({
  ...{ records, contents, library, jobs: batches, watch: metrics.housekeeping, clock: regionClock, log },
});
const stopSweepingBodies = new BodySweeper({
  ...{ bodies, queue, region, shards: config.PENSTOCK_SHARDS, watch: metrics.housekeeping },
  ...{ clock: regionClock, log },
}).start();
const stopRestoring = new UnservedQueues({
  ...{ fleet, queue, region, shards: config.PENSTOCK_SHARDS, watch: metrics.housekeeping, log },
}).start();
const requeueing = {
  ...{ queue, region, shards: config.PENSTOCK_SHARDS, watch: metrics.housekeeping, clock: regionClock, log },
  requeue: new RunRequeue({ store: runs, queue, clock: regionClock }),
};
const stopLooking = new UndeliveredWork(requeueing).start();
const stopMoving = new StrandedWork({ ...requeueing, fleet }).start();

const openRuns = await there(REDIS, () => RedisOpenRuns.connect(redis));
const stopFinding = new LostRuns({
  ...{ name: id, open: openRuns, runs, queue, expiry, region, shards: config.PENSTOCK_SHARDS },
  ...{ watch: metrics.housekeeping, clock: regionClock, log },
}).start();

let isDraining = false;
const surveys: { close(): Promise<void> }[] = [];
const watchedAt = monitoringAddress(config);
if (watchedAt !== null) {
  const store = await there(REDIS, () => RedisStoreSurvey.connect(redis));
  const survey = await there(NATS, () =>
    NatsQueueSurvey.connect(natsOf(config, id), { region, shards: config.PENSTOCK_SHARDS }),
  );
  surveys.push(store, survey);
  const doors = new DoorQueues(regionClock);
  queue.listen({ kind: 'ingress_statuses', region }, (payload, _reply, from) => {
    const status = readIngressStatus(payload, from);
    if (status === null) dropped.count('status');
    else doors.hear(status);
  });
  regionWatch = new RegionWatch({
    ...{ queue: doors.beside(survey), store, webhookJobs: () => webhooks.counts(), clock: regionClock, log },
  });
  regionWatch.start();
  const notReady = () => {
    if (isDraining) return 'draining';
    if (!queue.connected) return 'no connection to NATS';
    if (queue.unavailable !== null) return queue.unavailable;
    return store.connected ? vault.trouble : 'no connection to Redis';
  };
  await startMonitoringOrExit({ ...watchedAt, metrics: metrics.set, notReady }, log);
}
const audit = await there(REDIS, () => RedisAuditLog.connect(redis, auditOptions(config, log)));
noteStart({ audit, name: id, schema: tasksConfig, clock: regionClock, log });
log.info({ region }, 'tasks started');

stopping.by([
  {
    name: 'leave batches to others',
    limitMs: 2000,
    run: () => {
      isDraining = true;
      stopSweeping();
      stopSweepingBodies();
      stopRestoring();
      stopLooking();
      stopMoving();
      stopFinding();
      clearInterval(sweepingFleet);
      clearInterval(countingLimits);
      stopDeadlines();
      return batches.close();
    },
  },
  { name: 'leave webhooks to others', limitMs: 2000, run: () => webhooks.stop() },
  { name: 'leave the region', limitMs: 500, run: () => membership.leave() },
  { name: 'send traces', limitMs: 2000, run: () => tracing?.stop() },
  closeWires([
    ...[queue, registry, nodes, runs, records, ledger, limitUse, projects, deadlines, openRuns, audit, keys],
    ...surveys,
  ]),
]);
