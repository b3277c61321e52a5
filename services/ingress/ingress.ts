/** How the parts of an ingress fit together: everything between its ports and its HTTP server. */
import type { ResourceLimits, RunPasses } from '@penstock/access';
import { type Fleet, watchFleet } from '@penstock/fleet';
import type { PlacementEvent } from '@penstock/policy';
import type { NewRun } from '@penstock/protocol';
import {
  AnswerKeeper,
  ConvertedCall,
  DoneChannel,
  RunAcceptance,
  RunCanceller,
  RunExpiry,
  RunFinder,
  RunWaiters,
} from '@penstock/runs';
import {
  type Clock,
  createIdSource,
  type DroppedMessages,
  type Logger,
  type MonitoringOptions,
} from '@penstock/runtime';
import { ClaimCheck } from '@penstock/transport';
import type { FastifyInstance } from 'fastify';
import { accessOf } from './access.ts';
import { BatchesApi } from './api/batches.ts';
import { FilesApi } from './api/files.ts';
import { InferenceApi } from './api/inference.ts';
import { JobsApi } from './api/jobs.ts';
import { MessagesApi } from './api/messages.ts';
import { ModelsApi } from './api/models.ts';
import { OperationsApi } from './api/operations.ts';
import { RequestsApi } from './api/requests.ts';
import { CompactApi } from './api/responses/compact-api.ts';
import { Conversations } from './api/responses/conversations.ts';
import { ConversationsApi } from './api/responses/conversations-api.ts';
import { ResponseHistory } from './api/responses/history.ts';
import { InputTokensApi } from './api/responses/input-tokens-api.ts';
import { ResponseIntake } from './api/responses/response-intake.ts';
import { ResponsesApi, type ResponsesOptions } from './api/responses/responses-api.ts';
import { StoredCompletionsApi } from './api/stored-completions.ts';
import { WebhooksApi } from './api/webhooks.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { oldestWaitMs } from './dispatch/open-request.ts';
import { OpenRequests } from './dispatch/open-requests.ts';
import { Sender } from './dispatch/sender.ts';
import { Door } from './door.ts';
import { Answers } from './drain/answers.ts';
import type { IngressHost, IngressPorts, IngressSettings } from './given.ts';
import { BodyReader } from './http/body-reader.ts';
import { FormReader } from './intake/form-body.ts';
import type { QueueRoom } from './intake/queue-room.ts';
import type { StoreRoom } from './intake/store-room.ts';
import { TokenEstimates } from './intake/token-estimates.ts';
import { Intake } from './intake/understand.ts';
import { WorkMetaWriter } from './intake/work-meta.ts';
import { limitingOf } from './limits/limiting.ts';
import { createIngressMetrics, type IngressGauges, type IngressMetrics } from './metrics.ts';
import { Affinity } from './placement/affinity.ts';
import { Rooms } from './rooms.ts';
import { Lanes } from './runs/lanes.ts';
import { PollHints } from './runs/poll-hints.ts';
import { RunIntake } from './runs/run-intake.ts';
import { StoredReads } from './runs/stored-reads.ts';
import { LogStreams } from './runs/stream-log.ts';
import { buildServer } from './server.ts';
import { Admissions } from './shares/admissions.ts';
import { Doors } from './shares/doors.ts';
import { OtherNodes } from './shares/other-nodes.ts';
import { StatusReporter, type StatusReporterOptions } from './status.ts';
import { AccessLog } from './telemetry/access-log.ts';
import type { TrailKeeping } from './telemetry/request-trail.ts';

export interface Ingress {
  /** Listens to nothing yet. */
  readonly app: FastifyInstance;
  readonly open: OpenRequests;
  readonly answers: Answers;
  /** For a port of its own. */
  readonly monitoring: Pick<MonitoringOptions, 'metrics' | 'notReady'>;
  /** Call once a second. */
  tick(): void;
  /** Call every {@link DOOR_LOOK_MS}. */
  look(): void;
  /** Tells the region what this node counts: once a second, and when it leaves. */
  tellStatus(leaving: boolean): Promise<void>;
}

/** Begins to hear heartbeats, replies and questions. */
export async function startIngress(
  ports: IngressPorts,
  settings: IngressSettings,
  host: IngressHost,
): Promise<Ingress> {
  const { queue, runStore, runLog } = ports;
  const { ingressId, region, holdMs, keepAliveMs, modelDefaultsOf: defaultsOf } = settings;
  const { clock, log, dropped, nextId, tracing } = host;
  const fleet = await fleetOf(ports, settings, host);
  const rooms = roomsOf(ports, settings, fleet, clock, () => answers.all());
  const { answers: room, queue: queueRoom, store: storeRoom } = rooms;
  const gauges = gaugesOf(fleet, () => ({ open, doors }), rooms, ports, host);
  const metrics = createIngressMetrics(gauges, tracing !== null);
  const [answers, estimates] = [new Answers(metrics.requests), new TokenEstimates(metrics)];
  const affinity = affinityOf(ports, settings, fleet, metrics, log);
  const claims = new ClaimCheck(ports.bodies, settings.inlineBodyBytes, ports.seals);
  const limiting = limitingOf(ports, settings.limits, fleet, metrics, clock);
  const { limiter, passes, resources } = limiting;
  const doors = doorsOf(ports, settings, fleet, metrics, host);
  const open: OpenRequests = new OpenRequests({
    ...{ queue, fleet, affinity, estimates, clock, log, metrics, dropped, region, holdMs, claims },
    ...{ doors, ackWaitMs: settings.ackWaitMs, boundWaitMs: settings.boundWaitMs, runPasses: passes },
    deadLetter: ({ address }, failure) => queue.moveToDead(address, failure, claims),
  });
  const [workMeta, lanes] = [new WorkMetaWriter(ingressId, fleet), new Lanes(queue, clock)];
  const stored = storedRuns(ports, settings, clock, claims, queueRoom);
  const { acceptance, canceller, convertedCall, done, expiry, finder, keeper, waiters } = stored;
  const trailing = trailingOf(ports, settings, clock);
  const runIntake = new RunIntake({
    ...{ acceptance, workMeta, region, claims, estimates, tracing, trailing, storeRoom, limiter, passes },
    ...{ resources, shardFor: (slug: string) => fleet.shardFor(slug) },
  });
  fleet.whenGone(worker => open.releaseBoundTo(worker));
  onRunEnd(done, [waiters, open, passes], estimates, dropped);
  await open.listen(ports.queue, ports.bus, settings.ingressId);
  const intake = new Intake({ ...settings, models: fleet, estimates, defaultsOf, clock });
  const { reader, forms } = readersOf(ports, settings, rooms);
  const sender = new Sender({ queue, fleet, affinity, open, claims, doors, clock, metrics, log });
  const dispatcher = new Dispatcher({
    ...{ fleet, affinity, workMeta, open, sender, doors, claims, convertedCall, clock, tracing, region },
    ...{ keepAliveMs, trailing, room, queueRoom, storeRoom, limiter },
    admissions: admissionsOf(doors, settings, metrics, clock, open),
  });
  const pollHints = new PollHints(lanes, fleet, clock);
  const logStreams = new LogStreams({ runs: runStore, runLog }, expiry, room, keepAliveMs);
  const reads = new StoredReads({ store: runStore, finder, room });
  const accepting = { runIntake, reads, canceller, waiters, holdMs };
  const jobs = new JobsApi({ ...accepting, logStreams, pollHints });
  const [door, access] = [doorOf(ports, clock), accessTo(ports, settings, host, fleet, metrics)];
  const monitoring = { metrics: metrics.set, notReady: () => host.notReady() ?? notYetHeard(fleet) };
  const app = buildServer({
    apis: {
      operations: new OperationsApi(metrics, monitoring.notReady, settings.apiMonitoring),
      models: new ModelsApi(fleet),
      requests: new RequestsApi({ open, trails: ports.trails, runs: runStore }),
      inference: new InferenceApi({ intake, forms, dispatcher, jobs, runIntake, pollHints, keeper }),
      storedCompletions: new StoredCompletionsApi({ store: runStore, room, reads, canceller, pollHints }),
      ...{ jobs, messages: new MessagesApi({ intake, models: fleet, dispatcher, clock }) },
      ...responses(ports, settings, host, {
        ...{ ...accepting, finder, storeRoom, intake, dispatcher, runLog, logStreams, pollHints, keeper },
      }),
      ...{ ...filesAndWebhooks(ports, settings, host, storeRoom, resources), ...access.apis },
    },
    ...{ ...access.guards, letIn: () => door.pass() },
    ...{ answers, room, bodies: reader, corsOrigins: settings.corsOrigins, nextId, log, tls: host.tls },
    accessLog: settings.accessLog ? new AccessLog(log, () => clock.monotonic()) : null,
  });
  const reporter = reporterOf(ports, settings, { metrics, open, clock });
  const tick = tickAll(open, lanes, door, rooms, access, limiting, doors);
  const [look, tellStatus] = [() => doors?.look(), (leaving: boolean) => reporter.tell(leaving)];
  return { app, open, answers, monitoring, tick, look, tellStatus };
}

function accessTo(
  ports: IngressPorts,
  settings: IngressSettings,
  host: IngressHost,
  fleet: Pick<Fleet, 'target'>,
  { refusedKeys }: Pick<IngressMetrics, 'refusedKeys'>,
) {
  return accessOf(ports, settings, host, refusedKeys, name => fleet.target(name));
}

function affinityOf(
  { placements }: IngressPorts,
  settings: IngressSettings,
  fleet: Fleet,
  metrics: IngressMetrics,
  log: IngressHost['log'],
): Affinity {
  const kindOf = (slug: string) => settings.affinityOf(slug) ?? fleet.defaultAffinity(slug);
  return new Affinity(placements, fleet, metrics, kindOf, placementLog(log));
}

function roomsOf(
  { queue, runStore }: IngressPorts,
  settings: IngressSettings,
  fleet: Fleet,
  clock: Clock,
  open: () => ReturnType<Answers['all']>,
): Rooms {
  const isServed = (slug: string) => fleet.isServed(slug);
  return new Rooms({ ...settings, queue, runStore, isServed, monotonic: () => clock.monotonic(), open });
}

function fleetOf(
  { queue, registry }: IngressPorts,
  { region, shards, modelNames: names }: IngressSettings,
  { clock, dropped }: IngressHost,
): Promise<Fleet> {
  return watchFleet({
    ...{ region, shards, channel: queue, registry, clock, names, dropped },
    purgeBound: (of, shard, worker) => queue.purgeBound(of, shard, worker),
    rand: Math.random,
  });
}

function doorOf({ bus }: IngressPorts, clock: Clock): Door {
  const door = new Door({ isConnected: () => bus.connected, clock });
  bus.onConnection(() => door.tick());
  return door;
}

function readersOf(
  { bodies }: IngressPorts,
  { bodyLimitBytes: limitBytes, inlineBodyBytes: mostInline }: IngressSettings,
  rooms: Rooms,
) {
  const reader = new BodyReader({ limitBytes, budget: rooms.bodies });
  return { reader, forms: new FormReader({ reader, bodies, mostInline }) };
}

function doorsOf(
  { queue: control }: IngressPorts,
  { ingressId, region, bodyBudgetBytes: budgetBytes, fairShares }: IngressSettings,
  fleet: Fleet,
  { doorWait, waitEstimateRatio, modelOf }: IngressMetrics,
  { clock, dropped }: IngressHost,
): Doors | null {
  if (!fairShares) return null;
  const others = new OtherNodes({ ingressId, region, control, clock, dropped });
  const onWaited = (slug: string, ms: number) => doorWait.observe({ model: modelOf(slug) }, ms / 1000);
  const onEstimated = (slug: string, ratio: number) =>
    waitEstimateRatio.observe({ model: modelOf(slug) }, ratio);
  return new Doors({ fleet, others, clock, budgetBytes, onWaited, onEstimated });
}

function admissionsOf(
  doors: Doors | null,
  { admission: mode, patienceMs: usualPatienceMs }: IngressSettings,
  { refusedAtDoor: refused, standIns, modelOf }: IngressMetrics,
  clock: Clock,
  open: OpenRequests,
): Admissions {
  const admissions = new Admissions({ doors, mode, usualPatienceMs, clock, refused, standIns, modelOf });
  admissions.whenLost((id, error) => {
    open.cancel(id, error);
    return open.get(id) === undefined;
  });
  return admissions;
}

/** What the metrics show of the node. @param parts are not there yet when this is called. */
function gaugesOf(
  fleet: Fleet,
  parts: () => { readonly open: OpenRequests; readonly doors: Doors | null },
  rooms: Rooms,
  { projectsFile }: Pick<IngressPorts, 'projectsFile'>,
  { clock, dropped, tls }: Pick<IngressHost, 'clock' | 'dropped' | 'tls'>,
): IngressGauges {
  return {
    ...{ fleet, open: () => parts().open.size, atDoor: () => parts().doors?.waiting() ?? [] },
    oldestWaitS: () => oldestWaitMs(parts().open.all(), clock.monotonic()) / 1000,
    bodyBytes: () => rooms.bodies.takenBytes,
    answerBytes: () => rooms.answers.heldBytes,
    fileRefused: () => (projectsFile === null || projectsFile.problem === null ? 0 : 1),
    ...{ dropped, certificate: tls?.certificate ?? null },
  };
}

function trailingOf(
  { trails, seals }: IngressPorts,
  { trailShare, ingressId }: IngressSettings,
  clock: Clock,
): TrailKeeping {
  const hasWords = seals === null || seals.isOff;
  return { trails, share: trailShare, hasWords, node: ingressId, now: () => clock.now() };
}

function reporterOf(
  { queue: control }: IngressPorts,
  { ingressId, region }: IngressSettings,
  counted: Pick<StatusReporterOptions, 'metrics' | 'open' | 'clock'>,
): StatusReporter {
  return new StatusReporter({ ...counted, ingressId, region, control, incarnation: createIdSource()() });
}

function tickAll(...parts: readonly ({ tick(): void } | null)[]): () => void {
  return () => {
    for (const part of parts) part?.tick();
  };
}

/** A node that has just started should get no requests before it has heard a worker, or knows that there is none. */
function notYetHeard(fleet: Pick<Fleet, 'models' | 'unheardMs'>): string | null {
  return fleet.unheardMs > 0 && fleet.models().length === 0 ? 'no worker heard yet' : null;
}

/** Every placement can be reproduced from these lines. */
function placementLog(log: Logger): ((event: PlacementEvent) => void) | undefined {
  return log.isLevelEnabled('debug') ? event => log.debug({ event }, 'placement') : undefined;
}

/** What libs/runs does with the runs of this node's clients. */
function storedRuns(
  { queue, runStore: store }: IngressPorts,
  { region, ttl }: IngressSettings,
  clock: Clock,
  claims: ClaimCheck,
  queueRoom: QueueRoom,
) {
  const done = new DoneChannel(queue, region);
  const wires = { store, queue, done, ttl, clock, claims, region };
  const expiry = new RunExpiry(wires);
  const finder = new RunFinder(store, expiry);
  return {
    ...{ done, expiry, finder },
    acceptance: new RunAcceptance({
      ...{ ...wires, finder },
      limitsOf: (run, bytes) => queueRoom.limitsOf(run, bytes),
    }),
    canceller: new RunCanceller(wires),
    waiters: new RunWaiters(store),
    keeper: new AnswerKeeper(wires),
    convertedCall: (run: NewRun) => new ConvertedCall(wires, run),
  };
}

type ResponseParts = Omit<ResponsesOptions, 'responseIntake' | 'conversations' | 'clock'> & {
  readonly intake: Intake;
  readonly finder: RunFinder;
  readonly storeRoom: StoreRoom;
};

/** The Responses API: responses, conversations, and what both are read with. */
function responses(
  { conversations: records, queue }: IngressPorts,
  { bodyLimitBytes, ttl, region }: IngressSettings,
  { nextId, clock }: IngressHost,
  { intake, finder, storeRoom, ...parts }: ResponseParts,
) {
  const { dispatcher } = parts;
  const history = new ResponseHistory(finder, bodyLimitBytes);
  const conversations = new Conversations({
    ...{ records, storeRoom, nextId, clock, runs: finder, ttlMs: ttl.recordMs, maxBytes: bodyLimitBytes },
    dropDead: partOf => queue.dropDead(region, { partOf }),
  });
  const responseIntake = new ResponseIntake({ intake, history, conversations, clock });
  return {
    responses: new ResponsesApi({ ...parts, responseIntake, conversations, clock }),
    inputTokens: new InputTokensApi({ intake, responseIntake, dispatcher }),
    compact: new CompactApi({ responseIntake, dispatcher }),
    conversations: new ConversationsApi(conversations),
  };
}

/** Passes announcements of final runs to those that wait for them. */
function onRunEnd(
  done: DoneChannel,
  [waiters, open, passes]: readonly [RunWaiters, OpenRequests, RunPasses],
  estimates: TokenEstimates,
  dropped: DroppedMessages,
): void {
  done.listen((id, promptTokens) => {
    estimates.runEnded(id, promptTokens);
    waiters.heard(id);
    open.runEnded(id);
    passes.ended(id);
  }, dropped);
}

/** The resources that are backed by records only. */
function filesAndWebhooks(
  ports: IngressPorts,
  settings: IngressSettings,
  { nextId, clock }: Pick<IngressHost, 'nextId' | 'clock'>,
  storeRoom: StoreRoom,
  resources: ResourceLimits,
) {
  const { queue, records, contents, batchJobs, webhooks, deliveries, deliveryJobs } = ports;
  const { batchLifeS, webhookAllow: allow, region } = settings;
  const dropDead = (partOf: string) => queue.dropDead(region, { partOf });
  const files = new FilesApi({ records, contents, resources, dropDead, nextId, clock });
  return {
    files,
    batches: new BatchesApi({ records, files, batchJobs, storeRoom, resources, nextId, clock, batchLifeS }),
    webhooks: new WebhooksApi({ webhooks, deliveries, deliveryJobs, resources, nextId, clock, allow }),
  };
}
