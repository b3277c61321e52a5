/** A console process: read configuration, connect, listen, end on a signal. */
import { LimitUse, ProvisionedRecords, projectsFileOf } from '@penstock/access';
import { WEBHOOK_ATTEMPTS } from '@penstock/policy';
import {
  auditOptions,
  bucketOf,
  closeWires,
  createIdSource,
  createLogger,
  DroppedMessages,
  exitBlaming,
  lameDuck,
  NATS,
  natsOf,
  noteStart,
  REDIS,
  readConfigOrExit,
  redisOf,
  regionClock,
  stopOnSignal,
  unhandledTo,
  warnOfClearText,
  whenThere,
} from '@penstock/runtime';
import {
  GivenSeals,
  NatsDeadLetters,
  NatsWorkQueue,
  openStores,
  RedisAuditLog,
  RedisDeliveries,
  RedisLimitLedger,
  RedisLimitUse,
  RedisModelRegistry,
  RedisProjectRecords,
  RedisRequestTrails,
  RedisRunStore,
  RedisScalerRecords,
  RedisTaskRecords,
  RedisWebhooks,
  SealedTaskRecords,
} from '@penstock/transport';
import { consoleConfig } from './config.ts';
import { startConsole } from './console.ts';
import { WhenNeeded } from './when-needed.ts';

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

const config = readConfigOrExit(consoleConfig);
const nextId = createIdSource();
const id = config.PENSTOCK_CONSOLE_ID ?? `console-${nextId().slice(0, 8)}`;
const log = createLogger({ service: id, level: config.PENSTOCK_LOG_LEVEL });
const stopping = stopOnSignal(log);
warnOfClearText(config, log);
const region = config.PENSTOCK_REGION;
const projectsFile = await projectsFileOf(config, regionClock, log).catch(
  exitBlaming('PENSTOCK_PROJECTS_FILE'),
);

const dropped = new DroppedMessages();
const onUnhandled = unhandledTo(log, dropped);
const redis = redisOf(config, id, log, onUnhandled);
const there = whenThere(log);
const queue = await there(NATS, () => NatsWorkQueue.connect({ ...natsOf(config, id), onUnhandled }));
const registry = await there(REDIS, () => RedisModelRegistry.connect({ ...redis, clock: regionClock }));
const audit = await there(REDIS, () => RedisAuditLog.connect(redis, auditOptions(config, log)));
const scaler = await there(REDIS, () => RedisScalerRecords.connect(redis, region));
const runs = await there(REDIS, () => RedisRunStore.connect(redis));
/** Nothing is opened here: what is encrypted is shown as that. */
const records = new SealedTaskRecords(
  await there(REDIS, () => RedisTaskRecords.connect(redis)),
  new GivenSeals(null),
);
const trails = await there(REDIS, () => RedisRequestTrails.connect({ ...redis, clock: regionClock }));
const endpoints = await there(REDIS, () => RedisWebhooks.connect(redis));
const deliveries = await there(REDIS, () => RedisDeliveries.connect(redis));
const limitUse = await there(REDIS, () => RedisLimitUse.connect(redis));
const ledger = await there(REDIS, () => RedisLimitLedger.connect(redis));
const projects = await there(REDIS, () => RedisProjectRecords.connect(redis));
const tenants = new LimitUse({
  ...{ ledger, records: limitUse, clock: regionClock },
  projects: projectsFile === null ? projects : new ProvisionedRecords(projects, projectsFile.provisioned),
  settings: { defaults: config.PENSTOCK_LIMITS, isShadow: config.PENSTOCK_LIMITS_SHADOW === 'on' },
  // Aliases are the ingress nodes' own: parallel requests of a model that is limited by an alias are not seen here.
  targetOf: name => name,
});
/** Loaded when somebody sends an event again. */
const deliveryJobs = new WhenNeeded(async () => {
  const { BullDeliveries } = await import('@penstock/transport/bullmq');
  return new BullDeliveries(redis, WEBHOOK_ATTEMPTS);
});
const { bodies } = await openStores(config.PENSTOCK_FILES_DIR, bucketOf(config), region).catch(
  exitBlaming('PENSTOCK_FILES_S3_BUCKET'),
);
/** Connected when somebody looks: an ingress makes the stream, and may come later than the console. */
const letters = new WhenNeeded(() => NatsDeadLetters.connect(natsOf(config, id), region));
let draining = false;
const { app, start, stop } = await startConsole(
  {
    ...{ queue, registry, audit, scaler, tenants, records, requests: { trails, runs } },
    webhooks: {
      ...{ endpoints, deliveries },
      deliveryJobs: { again: async (job, nonce) => (await deliveryJobs.get()).again(job, nonce) },
    },
    deadLetters: async () => ({
      letters: await letters.get(),
      runs,
      bodies,
      queue,
      now: () => regionClock.now(),
    }),
  },
  {
    ...{ region, shards: config.PENSTOCK_SHARDS },
    adminKeys: config.PENSTOCK_ADMIN_KEYS,
    viewerKeys: config.PENSTOCK_VIEWER_KEYS,
    sessionMs: 1000 * config.PENSTOCK_CONSOLE_SESSION_S,
    plainHttp: config.PENSTOCK_CONSOLE_PLAIN_HTTP || LOOPBACK.includes(config.PENSTOCK_CONSOLE_HOST),
    targetTtftMs: config.PENSTOCK_SLO_TTFT_MS,
    priceOf: config.PENSTOCK_WORKER_PRICES ?? (() => undefined),
  },
  { clock: regionClock, log, dropped, nextId, draining: () => draining },
);
start();
const looking = setInterval(() => void projectsFile?.tick(), 1000);
const url = await app.listen({ host: config.PENSTOCK_CONSOLE_HOST, port: config.PENSTOCK_CONSOLE_PORT });
log.info({ url, region }, 'console listening');
noteStart({ audit, name: id, schema: consoleConfig, clock: regionClock, log });

stopping.by([
  lameDuck(config.PENSTOCK_LAME_DUCK_MS, () => {
    draining = true;
  }),
  {
    name: 'close http',
    limitMs: 1000,
    run: async () => {
      stop();
      clearInterval(looking);
      // Hijacked keep-alive sockets hold close() up until they are swept.
      const sweep = setInterval(() => app.server.closeIdleConnections(), 50);
      await app.close();
      clearInterval(sweep);
    },
  },
  closeWires([
    queue,
    registry,
    audit,
    scaler,
    runs,
    records,
    trails,
    endpoints,
    deliveries,
    limitUse,
    ledger,
    projects,
    deliveryJobs,
    letters,
  ]),
]);
