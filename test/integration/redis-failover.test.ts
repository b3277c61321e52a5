/** Redis that is replaced while it is used, and servers that cannot be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisModelRegistry, RedisRunStore, type RunEnd } from '@penstock/transport';
import { BullBatches } from '@penstock/transport/bullmq';
import { newRun, nth } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startFaultyProxy } from '../../testkit/network/faulty-proxy.ts';
import { startRedis, startReplica, startReplicatedRedis } from '../../testkit/redis.ts';
import { waitFor } from '../../testkit/stack.ts';

const LONG_MS = 60_000;
const TTL = { recordMs: LONG_MS, logMs: LONG_MS };

test('records and jobs go on at the replica that sentinels make the primary', async t => {
  await using redis = await startReplicatedRedis();
  const runs = await RedisRunStore.connect({ url: redis.url, name: 'test' });
  t.after(() => runs.close());
  const jobs = new BullBatches(redis);
  t.after(() => jobs.close());
  const begun: string[] = [];
  jobs.work(
    async id => {
      begun.push(id);
      return { kind: 'done' };
    },
    () => {},
  );
  await runs.create(newRun('before'), LONG_MS, null);
  await jobs.add('before');
  await waitFor(() => begun.includes('before'));
  const replica = new Redis(redis.replica.url);
  replica.on('error', () => {});
  t.after(() => replica.disconnect());
  await waitFor(async () => (await replica.exists('penstock:run:before')) === 1);
  await redis.primary.kill();
  // Sent while there is no primary: they wait for the next one.
  const [created] = await Promise.all([runs.create(newRun('after'), LONG_MS, null), jobs.add('after')]);
  assert.equal(created.kind, 'created');
  assert.equal(await replica.exists('penstock:run:after'), 1);
  assert.equal((await runs.read('before'))?.status, 'queued');
  await waitFor(() => begun.includes('after'));
});

test('what replicas are to have counts once they have it, and is told apart while they do not', async t => {
  const primary = await startRedis('--repl-diskless-sync-delay', '0');
  t.after(() => primary.stop());
  const replica = await startReplica(primary.port);
  t.after(() => replica.stop());
  const raw = new Redis(replica.url);
  t.after(() => raw.disconnect());
  const runs = await RedisRunStore.connect({ url: primary.url, name: 'test', replicas: 1 });
  t.after(() => runs.close());
  await waitFor(async () => (await runs.create(newRun('first'), LONG_MS, null)).kind === 'repeated');
  const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
  await Promise.all(
    ids.map(async id => {
      await runs.create(newRun(id), LONG_MS, null);
      assert.equal(await raw.exists(`penstock:run:${id}`), 1);
    }),
  );
  await runs.begin('r1', nth(1), 'w');
  process.kill(replica.pid, 'SIGSTOP');
  const notYet = { name: 'NotReplicated', message: '0 of 1 replicas have it' };
  const end: RunEnd = {
    ...{ status: 'completed', log: 'none', last: null },
    result: { status: 200, contentType: 'text/plain', body: Buffer.from('answer'), finishedAt: 1 },
  };
  await assert.rejects(runs.create(newRun('late'), LONG_MS, null), notYet);
  await assert.rejects(runs.begin('r2', nth(1), 'w'), notYet);
  assert.equal((await runs.read('r1'))?.status, 'in_progress', 'what waits for nobody goes on');
  const finishing = runs.finish('r1', nth(1), end, TTL);
  process.kill(replica.pid, 'SIGCONT');
  assert.equal(await finishing, true);
  assert.equal(await raw.hget('penstock:run:r1', 'body'), 'answer');
  assert.equal(await runs.finish('r1', nth(1), end, TTL), true, 'said again, as after a lost connection');
});

test('a managed endpoint that moves is followed, and its old primary left, which answers as a replica', async t => {
  const old = await startRedis();
  t.after(() => old.stop());
  const next = await startReplica(old.port);
  t.after(() => next.stop());
  await using endpoint = await startFaultyProxy(old.url);
  const runs = await RedisRunStore.connect({ url: endpoint.url, name: 'test' });
  t.after(() => runs.close());
  await runs.create(newRun('before'), LONG_MS, null);
  const [first, second] = [new Redis(old.url), new Redis(next.url)];
  t.after(() => [first, second].map(each => each.disconnect()));
  await waitFor(async () => (await second.exists('penstock:run:before')) === 1);
  await second.replicaof('NO', 'ONE');
  await first.replicaof('127.0.0.1', String(next.port));
  await assert.rejects(runs.create(newRun('lost'), LONG_MS, null), /READONLY/);
  // The name leads to the old server for a while yet: nothing is read there.
  const read = runs.read('before');
  await new Promise(resolve => setTimeout(resolve, 200));
  await second.hset('penstock:run:before', 'attempt', '7');
  endpoint.moveTo(next.port);
  assert.equal((await read)?.attempt, 7);
  assert.equal((await runs.create(newRun('after'), LONG_MS, null)).kind, 'created');
  assert.equal(await second.exists('penstock:run:after'), 1);
});

test('a server that would lose what it confirms is refused at the start', async t => {
  const about = { name: 'test', warn: (text: string) => void warned.push(text) };
  const warned: string[] = [];
  const connect = async (url: string) => (await RedisModelRegistry.connect({ ...about, url })).close();
  const primary = await startRedis();
  t.after(() => primary.stop());
  await connect(primary.url);
  for (const [settings, why] of [
    [['--cluster-enabled', 'yes'], /Redis Cluster/],
    [['--appendonly', 'no'], /append-only file.*appendonly yes/],
    [['--maxmemory-policy', 'allkeys-lru'], /allkeys-lru.*noeviction/],
    [['--replicaof', '127.0.0.1', String(primary.port)], /is a replica/],
  ] as const) {
    const server = await startRedis(...settings);
    t.after(() => server.stop());
    await assert.rejects(connect(server.url), { name: 'ConnectError', message: why });
  }
  assert.deepEqual(warned, []);
  // As at a managed service.
  const managed = await startRedis('--appendonly', 'no', '--rename-command', 'CONFIG', '');
  t.after(() => managed.stop());
  await connect(managed.url);
  assert.match(warned.join(), /appendonly yes/);
});
