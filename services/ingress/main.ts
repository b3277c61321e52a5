/** An ingress process: read configuration, wire adapters, listen, drain on a signal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { watchFleet } from '@penstock/fleet';
import { WEBHOOK_ATTEMPTS } from '@penstock/policy';
import {
  deadSubject,
  doneSubject,
  encodeMessage,
  ingressControlSubject,
  readResumeQuestion,
} from '@penstock/protocol';
import {
  bucketOf,
  createIdSource,
  createLogger,
  exitBlaming,
  readConfigOrExit,
  stopOnSignal,
  systemClock,
  trimMemoryAfterSpikes,
} from '@penstock/runtime';
import {
  BullBatches,
  BullDeliveries,
  DirectoryFiles,
  NatsWorkQueue,
  RedisDeliveries,
  RedisReplyBus,
  RedisRunLog,
  RedisRunStore,
  RedisTaskRecords,
  RedisWebhooks,
  S3Files,
} from '@penstock/transport';
import { BatchesApi } from './api/batches.ts';
import { FilesApi } from './api/files.ts';
import { InferenceApi } from './api/inference.ts';
import { JobsApi } from './api/jobs.ts';
import { ModelsApi } from './api/models.ts';
import { OperationsApi } from './api/operations.ts';
import { ResponseHistory } from './api/response-history.ts';
import { ResponsesApi } from './api/responses.ts';
import { StoredCompletionsApi } from './api/stored-completions.ts';
import { WebhooksApi } from './api/webhooks.ts';
import { ingressConfig, MOST_BODY_BYTES } from './config.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { OpenRequests } from './dispatch/open-requests.ts';
import { createAuthenticator } from './http/auth.ts';
import { Intake } from './intake/understand.ts';
import { WorkMetaWriter } from './intake/work-meta.ts';
import { createIngressMetrics } from './metrics.ts';
import { Affinity } from './placement/affinity.ts';
import { Lanes } from './runs/lanes.ts';
import { PollHints } from './runs/poll-hints.ts';
import { Runs } from './runs/runs.ts';
import { ShownAnswers } from './runs/shown-answers.ts';
import { LogStreams } from './runs/stream-log.ts';
import { buildServer } from './server.ts';

const config = readConfigOrExit(ingressConfig);
const nextId = createIdSource();
const ingressId = config.PENSTOCK_INGRESS_ID ?? `in-${nextId().slice(0, 8)}`;
const region = config.PENSTOCK_REGION;
const log = createLogger({ service: ingressId, level: config.PENSTOCK_LOG_LEVEL });
const clock = systemClock;

const queue = await NatsWorkQueue.connect({ url: config.PENSTOCK_NATS_URL, name: ingressId }).catch(
  exitBlaming('PENSTOCK_NATS_URL'),
);
const bus = await RedisReplyBus.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId }).catch(
  exitBlaming('PENSTOCK_REDIS_URL'),
);
for (let shard = 0; shard < config.PENSTOCK_SHARDS; shard++)
  await queue.ensureWorkStream(region, shard, {
    maxMessages: config.PENSTOCK_QUEUE_MAX_MESSAGES,
    maxBytes: config.PENSTOCK_QUEUE_MAX_BYTES,
  });
await queue.ensureDeadStream(region);

const runStore = await RedisRunStore.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId });
const records = await RedisTaskRecords.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId });
const bucket = bucketOf(config);
const contents =
  bucket === null
    ? new DirectoryFiles(config.PENSTOCK_FILES_DIR)
    : await S3Files.connect(bucket).catch(exitBlaming('PENSTOCK_FILES_S3_BUCKET'));
const batchJobs = new BullBatches(config.PENSTOCK_REDIS_URL);
const runLog = await RedisRunLog.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId });
const webhooks = await RedisWebhooks.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId });
const deliveries = await RedisDeliveries.connect({ url: config.PENSTOCK_REDIS_URL, name: ingressId });
const deliveryJobs = new BullDeliveries(config.PENSTOCK_REDIS_URL, WEBHOOK_ATTEMPTS);
const fleet = await watchFleet({
  region,
  shards: config.PENSTOCK_SHARDS,
  channel: queue,
  registry: bus,
  purge: (stream, subject) => queue.purge(stream, subject),
  clock,
  rand: Math.random,
});
const metrics = createIngressMetrics(
  () => open.size,
  () => fleet.workers,
);
const affinity = new Affinity(
  bus,
  fleet,
  metrics,
  slug => config.PENSTOCK_AFFINITY(slug) ?? fleet.defaultAffinity(slug),
);
const workMeta = new WorkMetaWriter(ingressId, fleet);
const runs = new Runs({
  ...{ store: runStore, queue, workMeta, region, clock },
  ttl: { recordMs: config.PENSTOCK_RESULT_TTL_S * 1000, logMs: config.PENSTOCK_EVENTS_TTL_S * 1000 },
  shardFor: slug => fleet.shardFor(slug),
});
const lanes = new Lanes(queue, clock);
const open: OpenRequests = new OpenRequests({
  queue,
  fleet,
  clock,
  log,
  metrics,
  ackWaitMs: config.PENSTOCK_ACK_WAIT_MS,
  affinity,
  region,
  holdMs: config.PENSTOCK_SYNC_HOLD_MS,
  boundWaitMs: config.PENSTOCK_AFFINITY_WAIT_MS,
  deadLetter: (request, code) =>
    queue.moveToDead(request.stream, request.subject, deadSubject(region, request.slug, request.id), code),
});
queue.listen(doneSubject(region), bytes => {
  const id = Buffer.from(bytes).toString('latin1');
  runs.heard(id);
  open.runEnded(id);
});
fleet.whenGone(worker => open.releaseBoundTo(worker));
await bus.listen(ingressId, packet => open.onPacket(packet));
queue.listen(ingressControlSubject(ingressId), (payload, reply) => {
  const question = readResumeQuestion(payload);
  if (question !== null) reply(encodeMessage(open.answer(question)));
});
const ticker = setInterval(() => {
  open.tick();
  lanes.tick();
}, 1000);
trimMemoryAfterSpikes(() => open.size);
const releaser = setInterval(() => open.releaseOverdue(), 20);

let draining = false;
function notReady(): string | null {
  if (draining) return 'draining';
  if (!queue.connected) return 'no connection to NATS';
  return bus.connected ? null : 'no connection to Redis';
}

const holdMs = config.PENSTOCK_SYNC_HOLD_MS;
const keepAliveMs = config.PENSTOCK_KEEPALIVE_MS;
const intake = new Intake(fleet, config.PENSTOCK_SIZE_BOUNDARIES, clock);
const dispatcher = new Dispatcher({
  ...{ queue, fleet, affinity, workMeta, open, runs, clock, metrics, region, keepAliveMs },
});
const pollHints = new PollHints(lanes, fleet, clock);
const logStreams = new LogStreams(runs, runLog, keepAliveMs);
const shownAnswers = new ShownAnswers(runs, clock);
const history = new ResponseHistory(runs, MOST_BODY_BYTES);
const jobs = new JobsApi({ runs, logStreams, pollHints, metrics, holdMs });
const files = new FilesApi(records, contents, nextId);
const app = buildServer({
  apis: {
    operations: new OperationsApi(metrics, notReady),
    models: new ModelsApi(fleet),
    inference: new InferenceApi({ intake, dispatcher, jobs, runs, pollHints, shownAnswers }),
    storedCompletions: new StoredCompletionsApi(runs, pollHints),
    jobs,
    responses: new ResponsesApi({
      ...{ intake, dispatcher, history, runs, runLog, logStreams, pollHints, shownAnswers, holdMs, clock },
    }),
    files,
    batches: new BatchesApi({
      ...{ records, files, batchJobs, nextId },
      batchLifeS: config.PENSTOCK_BATCH_LIFE_S,
    }),
    webhooks: new WebhooksApi({
      ...{ webhooks, deliveries, deliveryJobs, nextId },
      allow: config.PENSTOCK_WEBHOOK_ALLOW,
    }),
  },
  authenticate: createAuthenticator(config.PENSTOCK_API_KEYS),
  bodyLimitBytes: config.PENSTOCK_BODY_LIMIT_BYTES,
  nextId,
});
const url = await app.listen({ host: config.PENSTOCK_HOST, port: config.PENSTOCK_PORT });
log.info({ url, region }, 'ingress listening');

stopOnSignal(log, [
  {
    name: 'finish open requests',
    limitMs: config.PENSTOCK_DRAIN_MS,
    run: async () => {
      draining = true;
      app.server.close();
      while (open.size > 0) {
        app.server.closeIdleConnections();
        await sleep(50);
      }
    },
  },
  { name: 'abandon the rest', limitMs: 500, run: () => open.abandonAll() },
  {
    name: 'close http',
    limitMs: 1000,
    run: async () => {
      clearInterval(ticker);
      clearInterval(releaser);
      // Hijacked keep-alive sockets hold close() up until they are swept.
      const sweep = setInterval(() => app.server.closeIdleConnections(), 50);
      await app.close();
      clearInterval(sweep);
    },
  },
  {
    name: 'close wires',
    limitMs: 2000,
    run: () =>
      Promise.all(
        [queue, bus, runStore, runLog, records, batchJobs, webhooks, deliveries, deliveryJobs].map(wire =>
          wire.close(),
        ),
      ).then(() => {}),
  },
]);
