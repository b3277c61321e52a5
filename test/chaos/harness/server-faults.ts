/** What is done to servers that are more than one, to a disk that is small, and to clocks. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { workStream } from '@penstock/protocol';
import { Redis } from 'ioredis';
import { waitFor } from '../../../testkit/stack.ts';
import type { FaultKind, Victims } from './region.ts';

/** Clocks are set by up to so much, either way, ms. */
const MOST_STEP_MS = 180_000;
const ELECTED_WITHIN_MS = 60_000;
const LOOK_MS = 20;

/** The leader of a queue was killed, and another one elected. Unix ms. */
export interface Election {
  readonly killedAt: number;
  readonly electedAt: number;
}

/** @param elections is told of each. */
export function serverFaults(victims: Victims, elections: Election[]): FaultKind[] {
  return [...leaders(victims, elections), ...primaries(victims), ...disks(victims), ...clocks(victims)];
}

function leaders({ cluster }: Victims, elections: Election[]): FaultKind[] {
  if (cluster === null) return [];
  let killed: string[] = [];
  const kill = (name: string, nameOf: (index: number) => Promise<string>): FaultKind => ({
    ...{ name, mostMs: 3000 },
    async begin(index) {
      const server = await nameOf(index);
      killed.push(server);
      await cluster.server(server)?.kill();
      if (name !== 'kill leader') return;
      const killedAt = Date.now();
      elections.push({ killedAt, electedAt: await nextLeader(cluster.url, server) });
    },
    async end() {
      for (const server of killed) await cluster.server(server)?.start();
      killed = [];
    },
  });
  const stopped = (index: number, signal: NodeJS.Signals) => {
    const pid = cluster.server(`n${(index % 3) + 1}`)?.pid ?? 0;
    if (pid > 0) process.kill(pid, signal);
  };
  return [
    kill('kill leader', () => leaderOf(cluster.url)),
    kill('kill one of three nats', async index => `n${(index % 3) + 1}`),
    {
      ...{ name: 'stop one of three nats', mostMs: 3000 },
      begin: async index => stopped(index, 'SIGSTOP'),
      end: async index => stopped(index, 'SIGCONT'),
    },
  ];
}

/** '' where there is none now. */
async function leaderOf(url: string): Promise<string> {
  const nc = await connect({ servers: url.split(','), maxReconnectAttempts: -1, timeout: 5000 });
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 1000 });
    return (await jsm.streams.info(workStream('local', 0))).cluster?.leader ?? '';
  } finally {
    await nc.close();
  }
}

async function nextLeader(url: string, before: string): Promise<number> {
  const nc = await connect({ servers: url.split(','), maxReconnectAttempts: -1, timeout: 5000 });
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 250 });
    const stream = workStream('local', 0);
    const until = Date.now() + ELECTED_WITHIN_MS;
    while (Date.now() < until) {
      const leader = await jsm.streams.info(stream).then(
        ({ cluster }) => cluster?.leader ?? '',
        () => '',
      );
      if (leader !== '' && leader !== before) return Date.now();
      await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    }
    throw new Error(`no leader in ${ELECTED_WITHIN_MS} ms`);
  } finally {
    await nc.close();
  }
}

/** The primary is killed, the replica takes over, and the old one comes back as the replica. */
function primaries({ replicated }: Victims): FaultKind[] {
  if (replicated === null) return [];
  const servers = [replicated.primary, replicated.replica];
  let killed = replicated.primary;
  return [
    {
      ...{ name: 'kill primary', mostMs: 3000 },
      async begin() {
        const roles = await Promise.all(servers.map(({ url }) => roleOf(url)));
        const primary = servers[roles.indexOf('master')];
        const other = servers.find(each => each !== primary);
        if (primary === undefined || other === undefined) throw new Error('no primary');
        killed = primary;

        await primary.kill();
        await waitFor(async () => (await roleOf(other.url)) === 'master', ELECTED_WITHIN_MS);
      },
      async end() {
        await killed.start();
        await waitFor(async () => (await roleOf(killed.url)) === 'slave', ELECTED_WITHIN_MS);
      },
    },
  ];
}

/** As Redis calls them; '' where it does not answer. */
async function roleOf(url: string): Promise<string> {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return String((await redis.role())[0]);
  } catch {
    return '';
  } finally {
    redis.disconnect();
  }
}

/** A server whose disk was full stores nothing until it is started again. */
function disks({ smallDisk }: Victims): FaultKind[] {
  if (smallDisk === null) return [];
  return [
    {
      ...{ name: 'fill disk', mostMs: 6000 },
      begin: () => smallDisk.fill(),
      async end() {
        await smallDisk.clear();
        await smallDisk.restart();
      },
    },
  ];
}

function clocks({ setClock, stack, ingresses }: Victims): FaultKind[] {
  if (setClock === null) return [];
  const names = [...ingresses.map(({ name }) => name), ...stack.workers.map((_, i) => `w-${i + 1}`), 'tasks'];
  const nameOf = (index: number) => names[index % names.length] ?? '';
  return [
    {
      ...{ name: 'set clock', mostMs: 6000 },
      begin: async (index, ms) =>
        setClock(nameOf(index), (ms % 2 === 0 ? 1 : -1) * ((ms * 7919) % MOST_STEP_MS)),
      // Back again, as a clock that is corrected.
      end: async index => setClock(nameOf(index), 0),
    },
  ];
}
