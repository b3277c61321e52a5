/** An ingress process: read configuration, connect, listen, drain on a signal. */
import { limitSettingsOf, projectsFileOf, tokensOf } from '@penstock/access';
import { joinRegion } from '@penstock/fleet/nodes';
import { CALL_EVERY_MS, DOOR_LOOK_MS, WEBHOOK_ATTEMPTS } from '@penstock/policy';
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
  modelRulesOf,
  monitoringAddress,
  NATS,
  natsOf,
  noteStart,
  oneAtATime,
  pathOf,
  REDIS,
  readConfigOrExit,
  redisOf,
  regionClock,
  startMonitoringOrExit,
  startTracingOrExit,
  stopOnSignal,
  trimMemoryAfterSpikes,
  unhandledTo,
  VERSION,
  warnOfClearText,
  whenThere,
} from '@penstock/runtime';
import {
  ClaimCheck,
  NatsWorkQueue,
  openStores,
  openVault,
  RedisAuditLog,
  RedisConversations,
  RedisDeliveries,
  RedisLimitLedger,
  RedisLimitUse,
  RedisProjectRecords,
  RedisReplyBus,
  RedisRunLog,
  RedisRunStore,
  RedisTaskRecords,
  RedisWebhooks,
  SealedBodies,
  SealedConversations,
  SealedFiles,
  SealedRunLog,
  SealedRunStore,
  SealedTaskRecords,
  SealedWebhooks,
} from '@penstock/transport';
import { BullBatches, BullDeliveries } from '@penstock/transport/bullmq';
import { whyNotFetched } from '@penstock/transport/egress';
import { ingressConfig } from './config.ts';
import { drainSteps } from './drain/steps.ts';
import { startIngress } from './ingress.ts';
import { makeStreams, troubleTo } from './streams.ts';
import { Certificate, type CertificateOptions, LOOK_EVERY_MS } from './tls/certificate.ts';
import { SecureApi } from './tls/secure-api.ts';

const config = readConfigOrExit(ingressConfig);
const nextId = createIdSource();
const ingressId = config.PENSTOCK_INGRESS_ID ?? `in-${nextId().slice(0, 8)}`;
const region = config.PENSTOCK_REGION;
const log = createLogger({ service: ingressId, level: config.PENSTOCK_LOG_LEVEL });
const stopping = stopOnSignal(log);
warnOfClearText(config, log);
const projectsFile = await projectsFileOf(config, regionClock, log).catch(
  exitBlaming('PENSTOCK_PROJECTS_FILE'),
);
const tokens = await tokensOf(config, { clock: regionClock, log }).catch(
  exitBlaming('PENSTOCK_OIDC_AUDIENCE'),
);

const tracing = await startTracingOrExit({
  ...{ service: 'ingress', instance: ingressId, version: VERSION, region },
  trouble: err => log.warn({ err }, 'traces could not be sent, and are lost'),
});

const dropped = new DroppedMessages();
const onUnhandled = unhandledTo(log, dropped);
const redis = redisOf(config, ingressId, log, onUnhandled);
const there = whenThere(log);
const queue = await there(NATS, () =>
  NatsWorkQueue.connect({
    ...{ ...natsOf(config, ingressId), replicas: config.PENSTOCK_NATS_REPLICAS },
    onTrouble: troubleTo(log),
    onUnhandled,
  }),
);
const bus = await there(REDIS, () => RedisReplyBus.connect({ ...redis, clock: regionClock }));
const membership = await there({ what: 'Redis', variable: 'PENSTOCK_INGRESS_ID' }, () =>
  joinRegion({
    ...{ nodes: bus.nodes, log, name: ingressId, settings: equalSettings(ingressConfig, config) },
    holds: { kind: 'ingress', onLost: () => stopping.begin('its name was taken', 1) },
  }),
);
await makeStreams({
  ...{ queue, region, shards: config.PENSTOCK_SHARDS, log },
  limits: { maxMessages: config.PENSTOCK_QUEUE_MAX_MESSAGES, maxBytes: config.PENSTOCK_QUEUE_MAX_BYTES },
}).catch(exitBlaming('PENSTOCK_NATS_REPLICAS'));
if (queue.isClustered && config.PENSTOCK_NATS_REPLICAS === 1)
  log.warn('NATS is a cluster, and one of its servers alone keeps each queue: set PENSTOCK_NATS_REPLICAS=3');

const { vault, work, ...keys } = await there(REDIS, () =>
  openVault(redis, encryptionOrExit(config), regionClock),
);
const recheckKeys = oneAtATime(() => vault.recheck());
const runStore = new SealedRunStore(await there(REDIS, () => RedisRunStore.connect(redis)), vault);
const projects = await there(REDIS, () => RedisProjectRecords.connect(redis));
const limits = await there(REDIS, () => RedisLimitLedger.connect(redis));
const limitUse = await there(REDIS, () => RedisLimitUse.connect(redis));
const records = new SealedTaskRecords(await there(REDIS, () => RedisTaskRecords.connect(redis)), vault);
const stored = await openStores(config.PENSTOCK_FILES_DIR, bucketOf(config), region).catch(
  exitBlaming('PENSTOCK_FILES_S3_BUCKET'),
);
const contents = new SealedFiles(stored.contents, vault);
const bodies = new SealedBodies(stored.bodies, vault);
queue.serveWorkers({
  ...{ region, shards: config.PENSTOCK_SHARDS, ackWaitMs: config.PENSTOCK_ACK_WAIT_MS },
  keeping: new ClaimCheck(bodies, config.PENSTOCK_INLINE_BODY_BYTES, work),
  trouble: err => log.warn({ err }, 'what a worker asked for could not be done'),
  onRefused: () => dropped.count('order'),
});
const batchJobs = new BullBatches(redis);
const runLog = new SealedRunLog(await there(REDIS, () => RedisRunLog.connect(redis)), vault, runStore);
const webhooks = new SealedWebhooks(await there(REDIS, () => RedisWebhooks.connect(redis)), vault);
const deliveries = await there(REDIS, () => RedisDeliveries.connect(redis));
const conversations = new SealedConversations(
  await there(REDIS, () => RedisConversations.connect(redis)),
  vault,
);
const audit = await there(REDIS, () => RedisAuditLog.connect(redis, auditOptions(config, log)));
const deliveryJobs = new BullDeliveries(redis, WEBHOOK_ATTEMPTS);

const certFile = pathOf('PENSTOCK_TLS_CERT');
const keyFile = pathOf('PENSTOCK_TLS_KEY');
const certificate = certificateOf({
  ...{ cert: config.PENSTOCK_TLS_CERT, key: config.PENSTOCK_TLS_KEY, log },
  files: certFile !== null && keyFile !== null ? { cert: certFile, key: keyFile } : null,
});
const tls = certificate === null ? null : new SecureApi(certificate);

let draining = false;
const { app, answers, open, monitoring, tick, look, tellStatus } = await startIngress(
  {
    ...{
      queue,
      bus,
      registry: bus.models,
      placements: bus.placements,
      trails: bus.trails,
      runStore,
      runLog,
      projects,
      projectsFile,
      tokens,
      records,
      seals: work,
      ...{ contents, bodies },
      batchJobs,
    },
    audit,
    ...{ limits, limitUse },
    ...{ webhooks, deliveries, deliveryJobs, conversations },
  },
  {
    ingressId,
    region,
    shards: config.PENSTOCK_SHARDS,
    apiKeys: config.PENSTOCK_API_KEYS,
    adminKeys: config.PENSTOCK_ADMIN_KEYS,
    peppers: config.PENSTOCK_KEY_PEPPER,
    keyGraceMs: config.PENSTOCK_KEY_GRACE_S * 1000,
    corsOrigins: config.PENSTOCK_CORS_ORIGINS,
    ...modelRulesOf(config),
    bodyLimitBytes: config.PENSTOCK_BODY_LIMIT_BYTES,
    bodyBudgetBytes: config.PENSTOCK_BODY_BUDGET_BYTES,
    queueLimits: { messages: config.PENSTOCK_QUEUE_MAX_MESSAGES, bytes: config.PENSTOCK_QUEUE_MAX_BYTES },
    answerBudgetBytes: config.PENSTOCK_ANSWER_BUDGET_BYTES,
    inlineBodyBytes: config.PENSTOCK_INLINE_BODY_BYTES,
    boundaries: config.PENSTOCK_SIZE_BOUNDARIES,
    affinityOf: config.PENSTOCK_AFFINITY,
    ackWaitMs: config.PENSTOCK_ACK_WAIT_MS,
    boundWaitMs: config.PENSTOCK_AFFINITY_WAIT_MS,
    holdMs: config.PENSTOCK_SYNC_HOLD_MS,
    keepAliveMs: config.PENSTOCK_KEEPALIVE_MS,
    batchLifeS: config.PENSTOCK_BATCH_LIFE_S,
    trailShare: config.PENSTOCK_TRAIL_SAMPLE,
    ttl: { recordMs: config.PENSTOCK_RESULT_TTL_S * 1000, logMs: config.PENSTOCK_EVENTS_TTL_S * 1000 },
    webhookAllow: config.PENSTOCK_WEBHOOK_ALLOW,
    apiMonitoring: config.PENSTOCK_API_MONITORING,
    accessLog: config.PENSTOCK_ACCESS_LOG === 'on',
    engineRules: {
      allowedFields: config.PENSTOCK_ENGINE_FIELDS,
      whyNotFetched: url => whyNotFetched(url, config.PENSTOCK_MEDIA_ALLOW),
    },
    limits: limitSettingsOf(config),
    admission: config.PENSTOCK_ADMISSION,
    patienceMs: config.PENSTOCK_PATIENCE_MS,
    fairShares: config.PENSTOCK_FAIR_SHARES === 'on',
  },
  {
    ...{ clock: regionClock, log, dropped, nextId, tracing, tls },
    notReady: () => {
      if (draining) return 'draining';
      if (!queue.connected) return 'no connection to NATS';
      if (queue.unavailable !== null) return queue.unavailable;
      return bus.connected ? vault.trouble : 'no connection to Redis';
    },
  },
);
const ticker = setInterval(() => {
  tick();
  void recheckKeys();
  void tellStatus(false);
}, 1000);
const releaser = setInterval(() => open.releaseOverdue(), 20);
const caller = setInterval(() => open.callRoll(), CALL_EVERY_MS);
const doorkeeper = setInterval(look, DOOR_LOOK_MS);
trimMemoryAfterSpikes(() => open.size);
const watchedAt = monitoringAddress(config);
if (watchedAt !== null) {
  await startMonitoringOrExit({ ...watchedAt, ...monitoring }, log);
}
const looker = setInterval(() => void certificate?.look(), LOOK_EVERY_MS);
const address = await app.listen({ host: config.PENSTOCK_HOST, port: config.PENSTOCK_PORT });
const url = tls === null ? address : address.replace(/^http:/, 'https:');
log.info({ url, region }, 'ingress listening');
noteStart({ audit, name: ingressId, schema: ingressConfig, clock: regionClock, log });

stopping.by([
  ...drainSteps({
    ...{ server: app.server, answers, tls },
    lameDuckMs: config.PENSTOCK_LAME_DUCK_MS,
    drainMs: config.PENSTOCK_DRAIN_MS,
    onBegin: () => {
      draining = true;
    },
  }),
  { name: 'abandon the rest', limitMs: 500, run: () => open.abandonAll() },
  {
    name: 'close http',
    limitMs: 1000,
    run: async () => {
      clearInterval(ticker);
      clearInterval(looker);
      void tellStatus(true);
      clearInterval(releaser);
      clearInterval(caller);
      clearInterval(doorkeeper);
      // Hijacked keep-alive sockets hold close() up until they are swept.
      const sweep = setInterval(() => app.server.closeIdleConnections(), 50);
      await app.close();
      clearInterval(sweep);
    },
  },
  { name: 'leave the region', limitMs: 500, run: () => membership.leave() },
  { name: 'send traces', limitMs: 2000, run: () => tracing?.stop() },
  closeWires([
    ...[queue, bus, runStore, runLog, projects, limits, limitUse, records, batchJobs],
    ...[webhooks, deliveries, deliveryJobs, conversations, audit, keys],
  ]),
]);

function certificateOf(options: CertificateOptions): Certificate | null {
  try {
    return Certificate.of(options);
  } catch (err) {
    return exitBlaming('PENSTOCK_TLS_CERT')(err as Error);
  }
}
