/** The stack that things are done to: two ingress nodes, three workers, a tasks process, and the servers that were asked for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { wallClockOf } from '../../../testkit/clock/wrong-clock-env.ts';
import { startNatsCluster, startNatsOnSmallDisk } from '../../../testkit/nats.ts';
import { type FaultyProxy, startFaultyProxy } from '../../../testkit/network/faulty-proxy.ts';
import type { ServiceProcess } from '../../../testkit/process.ts';
import { startReplicatedRedis } from '../../../testkit/redis.ts';
import { API_KEY, type Stack, startStack } from '../../../testkit/stack.ts';

/** What the region runs on. */
export interface Servers {
  /** One nats-server; one whose disk is small; or a cluster of three with three copies of each queue. */
  readonly nats: 'one' | 'small-disk' | 'three';
  /** One Redis; or a primary with a replica and three sentinels, where a write counts once the replica has it. */
  readonly redis: 'one' | 'replica';
  /** Whether the wall clocks of processes can be set. */
  readonly clocks: boolean;
}

export interface Wires {
  readonly nats?: FaultyProxy;
  readonly redis?: FaultyProxy;
}

/** Everything that can be done something to. */
export interface Victims {
  readonly stack: Stack;
  /** In the order of their names; the entry changes when one is started again. */
  readonly ingresses: { process: ServiceProcess; readonly name: string; readonly port: number }[];
  /** By process: its ways to the servers, where it has one of its own. */
  readonly wires: ReadonlyMap<string, Wires>;
  readonly cluster: Awaited<ReturnType<typeof startNatsCluster>> | null;
  readonly smallDisk: Awaited<ReturnType<typeof startNatsOnSmallDisk>>;
  readonly replicated: Awaited<ReturnType<typeof startReplicatedRedis>> | null;
  /** Sets the wall clock of the process of a name; null where they cannot be set. */
  readonly setClock: ((process: string, aheadMs: number) => void) | null;
}

/** Something that is done to it for a while. */
export interface FaultKind {
  readonly name: string;
  /** Longest, ms. */
  readonly mostMs: number;
  begin(index: number, ms: number): Promise<void>;
  end(index: number): Promise<void>;
}

const INGRESSES = ['in-1', 'in-2'];
const LEASE = { PENSTOCK_ACK_WAIT_MS: '3000' };
const FINAL_EVENTS = [
  'response.completed',
  'response.failed',
  'response.incomplete',
  'response.cancelled',
] as const;
const DISK_MB = 64;
const QUEUE_BYTES = String(16 * 1024 * 1024);

/** @param receiverUrl of what webhooks are sent to. */
export async function startRegion(parts: AsyncDisposableStack, servers: Servers, receiverUrl: string) {
  const cluster = servers.nats === 'three' ? await startNatsCluster() : null;
  if (cluster !== null) parts.defer(() => cluster.stop());
  const smallDisk = servers.nats === 'small-disk' ? await startNatsOnSmallDisk(DISK_MB) : null;
  if (smallDisk !== null) parts.use(smallDisk);
  else if (servers.nats === 'small-disk')
    throw new Error('--nats small-disk mounts a file system: that takes root');
  const replicated = servers.redis === 'replica' ? parts.use(await startReplicatedRedis()) : null;
  const wires = new Map<string, Wires>();
  const clocks = servers.clocks ? clocksOf(parts) : null;
  const natsUrl = cluster?.url ?? smallDisk?.url;
  const copies: Record<string, string> = cluster === null ? {} : { PENSTOCK_NATS_REPLICAS: '3' };
  const replicas: Record<string, string> = replicated === null ? {} : { PENSTOCK_REDIS_REPLICAS: '1' };
  const allow = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1', ...replicas };
  const room: Record<string, string> = smallDisk === null ? {} : { PENSTOCK_QUEUE_MAX_BYTES: QUEUE_BYTES };
  const engine = { profile: 'dense-8b-h100' };
  const stack = parts.use(
    await startStack({
      engines: [engine, engine, engine],
      ...(natsUrl === undefined ? {} : { natsUrl }),
      ...(replicated === null ? {} : { redis: { url: replicated.url, server: replicated.primary } }),
      ...(clocks === null ? {} : { envOf: clocks.envOf }),
      wiresOf: (name, urls) => wiresOf(parts, wires, name, urls),
      ingressEnv: { ...allow, ...LEASE, ...copies, ...room },
      workerEnv: { ...LEASE, ...replicas, PENSTOCK_SLOTS: '16' },
      tasksEnv: { ...allow, PENSTOCK_WEBHOOK_SCHEDULE_SCALE: '0.1' },
    }),
  );
  const [first = '', second = ''] = INGRESSES;
  const other = await stack.addIngress(second);
  const victims: Victims = {
    ...{ stack, wires, cluster, smallDisk, replicated, setClock: clocks?.set ?? null },
    ingresses: [
      { name: first, port: Number(new URL(stack.url).port), process: stack.ingress },
      { name: second, port: other.port, process: other.process },
    ],
  };
  const urls = [stack.url, other.url];
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 10 });
  const events = [...FINAL_EVENTS, 'batch.completed'];
  await client.webhooks.create({ url: `${receiverUrl}/events`, name: 'chaos', event_types: events } as never);
  return { stack, victims, urls, client };
}

/** Its own way to each server. Not to several of them: those name one another to whoever connects. */
async function wiresOf(
  parts: AsyncDisposableStack,
  wires: Map<string, Wires>,
  name: string,
  urls: { nats: string; redis: string },
) {
  const wireTo = async (url: string) =>
    url.includes(',') ? undefined : parts.use(await startFaultyProxy(url));
  const [nats, redis] = [
    wires.get(name)?.nats ?? (await wireTo(urls.nats)),
    wires.get(name)?.redis ?? (await wireTo(urls.redis)),
  ];
  wires.set(name, { ...(nats === undefined ? {} : { nats }), ...(redis === undefined ? {} : { redis }) });
  return { nats: nats?.url ?? urls.nats, redis: redis?.url ?? urls.redis };
}

/** Each process has a file that says by how much its clock is ahead. */
function clocksOf(parts: AsyncDisposableStack) {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-clocks-'));
  parts.defer(() => rmSync(dir, { recursive: true, force: true }));
  const set = (process: string, aheadMs: number) => writeFileSync(join(dir, process), String(aheadMs));
  const envOf = (process: string) => {
    set(process, 0);
    return wallClockOf(join(dir, process));
  };
  return { set, envOf };
}
