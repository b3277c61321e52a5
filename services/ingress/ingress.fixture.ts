/** A whole ingress on in-memory adapters, with a clock of its own and one worker that does what the test says. */
import { NO_NAMES } from '@penstock/fleet';
import {
  decodeEnvelope,
  encodeMessage,
  encodePacket,
  type Frame,
  type FrameKind,
  type SizeClass,
  type TrailEvent,
  USUAL_ENDPOINTS,
} from '@penstock/protocol';
import { type Clock, DroppedMessages, type Logger } from '@penstock/runtime';
import type { Delivery, RequestTrails } from '@penstock/transport';
import { whyNotFetched } from '@penstock/transport/egress';
import {
  MemoryAuditLog,
  MemoryLimitLedger,
  MemoryLimitUse,
  MemoryModelRegistry,
  MemoryPlacementStore,
  MemoryProjectRecords,
  MemoryReplyBus,
  MemoryRequestBodies,
  MemoryRunLog,
  MemoryRunStore,
  MemoryWorkQueue,
} from '@penstock/transport/memory';
import type { IngressSettings } from './given.ts';
import { startIngress } from './ingress.ts';

const REGION = 'eu';
export const MODEL = {
  ...{ name: 'm', slug: 'm', created: 0, ownedBy: 'x', architecture: null },
  endpoints: [...USUAL_ENDPOINTS],
};
const KEY = { region: REGION, shard: 0, slug: 'm' } as const;
const SETTINGS: IngressSettings = {
  ...{
    ingressId: 'in-1',
    region: REGION,
    shards: 1,
    apiKeys: ['sk-0123456789'],
    adminKeys: ['an-admin-key-of-tests'],
    peppers: ['pepper-of-the-tests-pepper-of-the-tests'],
    keyGraceMs: 300_000,
    batchLifeS: 60,
    trailShare: 1,
  },
  corsOrigins: new Set(),
  ...{ modelNames: NO_NAMES, modelDefaultsOf: () => ({}) },
  ...{
    bodyLimitBytes: 1e6,
    bodyBudgetBytes: 1e7,
    answerBudgetBytes: 1e7,
    queueLimits: { messages: 100, bytes: 1e9 },
    inlineBodyBytes: 1e5,
    boundaries: { short: 4096, medium: 16_384 },
  },
  ...{ ackWaitMs: 10_000, boundWaitMs: 250, holdMs: 60_000, keepAliveMs: 10_000 },
  affinityOf: () => 'none',
  ttl: { recordMs: 3_600_000, logMs: 3_600_000 },
  webhookAllow: [],
  apiMonitoring: 'all',
  accessLog: false,
  engineRules: { allowedFields: new Set(), whyNotFetched: url => whyNotFetched(url, []) },
  fairShares: true,
  admission: 'on',
  patienceMs: 60_000,
  limits: { defaults: {}, isShadow: false, passesUncounted: false, priceOf: () => null },
};

const META: Partial<Record<FrameKind, (delivery: Delivery) => object>> = {
  accepted: ({ ackSubject, data }) => {
    const { key } = decodeEnvelope(data).meta;
    return { ack: ackSubject, waitMs: 0, incarnation: 'p1', key };
  },
  result: () => ({ status: 200, contentType: 'application/json' }),
  failed: () => ({ code: 'engine_error', message: 'no', retryable: true }),
};

/** Which request a delivery is of, and as which attempt. */
export function attemptOf({ data, deliveryCount }: Delivery): { id: string; attempt: number } {
  const { id, attemptBase } = decodeEnvelope(data).meta;
  return { id, attempt: attemptBase + deliveryCount };
}

type TestFrame = readonly [kind: FrameKind, body?: string];

function packetOf(delivery: Delivery, frames: readonly TestFrame[], nextSeq: Map<string, number>): Buffer {
  const { id, attempt } = attemptOf(delivery);
  const packet = frames.map(([kind, body = '']): Frame => {
    const seq = nextSeq.get(`${id} ${attempt}`) ?? 0;
    nextSeq.set(`${id} ${attempt}`, seq + 1);
    const meta = JSON.stringify(META[kind]?.(delivery) ?? {});
    return { id, attempt, nonce: attempt, seq, kind, meta, body: Buffer.from(body) };
  });
  return encodePacket('w-1', { waitMs: 0, tokensPerSec: 1, cacheTokens: 0 }, packet);
}

function memoryTrails(): RequestTrails {
  const kept = new Map<string, TrailEvent[]>();
  return {
    append: (id, events) => void kept.set(id, [...(kept.get(id) ?? []), ...events]),
    read: async id => kept.get(id) ?? [],
    latest: async (from, most) => [...kept.keys()].reverse().slice(from, from + most),
  };
}

/** What an ingress needs of the outside, in memory. What these tests do not touch is absent. */
async function memoryPorts(clock: Clock) {
  const queue = new MemoryWorkQueue(clock);
  await queue.ensureWorkStream(REGION, 0, { maxMessages: 100, maxBytes: 1e9 });
  await queue.ensureDeadStream(REGION);
  const bus = new MemoryReplyBus();
  const runStore = new MemoryRunStore(clock);
  const bodies = new MemoryRequestBodies(clock);
  const none = {} as never;
  return {
    ...{ queue, bus, runStore, bodies, seals: null, registry: new MemoryModelRegistry() },
    placements: new MemoryPlacementStore(),
    ...{ projects: new MemoryProjectRecords(), projectsFile: null, tokens: null },
    trails: memoryTrails(),
    audit: new MemoryAuditLog(),
    ...{ limits: new MemoryLimitLedger(clock), limitUse: new MemoryLimitUse() },
    ...{ runLog: new MemoryRunLog(runStore), records: none, contents: none, batchJobs: none },
    ...{ webhooks: none, deliveries: none, deliveryJobs: none, conversations: none },
  };
}

/** The worker `w-1`, of which the test says what it does. */
function testWorker(queue: MemoryWorkQueue, bus: MemoryReplyBus) {
  const nextSeq = new Map<string, number>();
  return {
    beat: (some: object = {}) =>
      queue.send(
        { kind: 'heartbeat', region: REGION, worker: 'w-1' },
        encodeMessage({
          ...{ v: 1, worker: 'w-1', incarnation: 'p1', models: [MODEL], shard: 0, slots: 8, pulling: true },
          ...{ leaving: false, waitS: 0, tokensPerSec: 10_000, load: 0, cacheTokens: 0, cacheCapacity: null },
          ...some,
        }),
      ),
    /** Takes one message of a lane, bound to it or for all. */
    async take(
      lane: 'interactive' | 'background',
      isBound = false,
      size: SizeClass = 'short',
    ): Promise<Delivery> {
      const options = { ackWaitMs: 10_000 };
      const key = { ...KEY, lane, size: lane === 'interactive' ? size : 'any' } as const;
      await queue.ensureConsumer(key, options);
      await queue.ensureBoundConsumer(REGION, 0, 'w-1', options);
      return new Promise(resolve => {
        const pull = isBound ? queue.pullBound(REGION, 0, 'w-1', resolve) : queue.pull(key, resolve);
        pull.bid({ level: 0, batch: 1 });
      });
    },
    /** Tells the ingress about a delivery it took, in one packet. */
    reply: (delivery: Delivery, frames: readonly TestFrame[]) =>
      bus.publish('in-1', packetOf(delivery, frames, nextSeq)),
  };
}

/** @param isHeard whether the worker is heard from the beginning. */
export async function startMemoryIngress(some: Partial<IngressSettings> = {}, isHeard = true) {
  let nowMs = Date.now();
  let ids = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const log = { info() {}, warn() {}, error() {}, isLevelEnabled: () => false } as unknown as Logger;
  const ports = await memoryPorts(clock);
  const { queue, bus, runStore, bodies, limits } = ports;
  const { app, open, tick, look } = await startIngress(
    ports,
    { ...SETTINGS, ...some },
    {
      clock,
      log,
      dropped: new DroppedMessages(),
      nextId: () => `r${++ids}`,
      notReady: () => null,
      tracing: null,
      tls: null,
    },
  );
  const worker = testWorker(queue, bus);
  if (isHeard) worker.beat();
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...{ url, open, queue, runStore, bodies, limits },
    ...worker,
    /** As a client of the API, over HTTP. */
    call: (
      method: 'GET' | 'POST' | 'DELETE',
      path: string,
      body?: object,
      headers = {},
      signal?: AbortSignal,
    ) => callApi(url + path, method, body, headers, signal),
    /** Moves the clock, with everything that an ingress does once a second. */
    pass(ms: number) {
      nowMs += ms;
      if (isHeard) worker.beat();
      open.releaseOverdue();
      look();
      tick();
    },
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

async function callApi(
  url: string,
  method: string,
  body: object | undefined,
  more: object,
  signal: AbortSignal | null = null,
) {
  const headers = { authorization: 'Bearer sk-0123456789', 'content-type': 'application/json', ...more };
  const payload = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, headers, signal, ...payload });
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

/** Lets everything happen that waits for nothing but its turn. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
