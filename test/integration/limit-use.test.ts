/** What operators see of limits, in Redis: what projects keep is read where it is counted, and refusals are of one day. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BatchRecord, fileUseKey, limitRefusalsKey, type WebhookEndpoint } from '@penstock/protocol';
import { RedisLimitUse, RedisRunStore, RedisTaskRecords, RedisWebhooks } from '@penstock/transport';
import { newRun } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

const DAY_MS = 86_400_000;

let server: Awaited<ReturnType<typeof startRedis>>;
let redis: Redis;
let use: RedisLimitUse;
before(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  use = await RedisLimitUse.connect({ url: server.url, name: 'test' });
});
after(async () => {
  await use.close();
  redis.disconnect();
  await server.stop();
});

test('refusals are added up over processes, for the day, and forgotten two days later', async () => {
  const now = 100 * DAY_MS + 1000;
  const refusals = [
    { project: 'p-1', limit: 'rpm_limit', count: 3 },
    { project: 'p-2', limit: 'max_files', count: 1 },
  ];
  await use.note({ seen: ['p-1', 'p-2'], refusals }, now);
  await use.note({ seen: ['p-1'], refusals: refusals.slice(0, 1) }, now + DAY_MS - 2000);
  assert.deepEqual(await use.refusals(['p-1', 'p-2', 'p-3'], now), [{ rpm_limit: 6 }, { max_files: 1 }, {}]);
  assert.deepEqual(await use.refusals(['p-1'], now + DAY_MS), [{}], 'another day');
  const left = await redis.ttl(limitRefusalsKey('p-1', '1970-04-11'));
  assert.ok(left > 86_400 && left <= 2 * 86_400, `${left} s`);
});

test('projects are listed by when they were seen last, for a month, ten thousand at most', async () => {
  const month = 30 * DAY_MS;
  const at = 1000 * DAY_MS;
  await use.note({ seen: ['old'], refusals: [] }, at - month - 1000);
  await use.note({ seen: ['a', 'b'], refusals: [] }, at - 2000);
  await use.note({ seen: ['a'], refusals: [] }, at);
  assert.deepEqual(await use.latest(10), ['a', 'b']);
  const many = Array.from({ length: 10_001 }, (_, i) => `many-${i}`);
  await use.note({ seen: many, refusals: [] }, at + 1000);
  const listed = await use.latest(20_000);
  assert.equal(listed.length, 10_000);
  assert.ok(!listed.includes('a'), 'who was seen longest ago goes first');
  await use.note({ seen: [], refusals: [] }, at + 2000);
});

test('what a project keeps is what the scripts count that keep it, also where a version before has added files', async t => {
  const wires = { url: server.url, name: 'test' };
  const [records, runs, hooks] = await Promise.all([
    RedisTaskRecords.connect(wires),
    RedisRunStore.connect(wires),
    RedisWebhooks.connect(wires),
  ]);
  t.after(() => Promise.all([records.close(), runs.close(), hooks.close()]));
  const tenant = 'c0ffee00c0ffee00';
  const now = Date.now();
  const file = (id: string, bytes: number) => ({
    ...{ id, tenant, digest: id.padEnd(64, '0'), bytes, createdAt: 1, filename: 'f' },
    ...{ purpose: 'batch', expiresAt: null },
  });
  await records.addFile(file('file-1', 700), null);
  await records.addFile(file('file-2', 50), null);
  const about = { tenant, inputDigest: 'd', status: 'validating', expiresAt: Math.floor(now / 1000) + 60 };
  for (const id of ['batch_1', 'batch_2']) await records.addBatch({ id, ...about } as BatchRecord, null);
  await records.updateBatch('batch_1', { status: 'failed' }, 1);
  const run = newRun('r-1', { tenant, createdAt: now, deadlineAt: now + 60_000 });
  await runs.create(run, 60_000, null, Buffer.alloc(30), { tenant: { messages: 9, bytes: 99 } });
  const endpoint = { id: 'whe_1', tenant, createdAt: 1 } as WebhookEndpoint;
  await hooks.add(endpoint, 5);
  const kept = {
    ...{ max_files: 2, max_stored_bytes: 750, max_open_batches: 1, max_queued_requests: 1 },
    ...{ max_queued_bytes: 30, max_webhook_endpoints: 1 },
  };
  assert.deepEqual(await use.resources([tenant], now), [kept]);
  await redis.hset(fileUseKey(tenant), { files: 9, bytes: 9 });
  await runs.cancel({ id: 'r-1', tenant }, now, { recordMs: 1000, logMs: 1000 });
  const [after = assert.fail(), other = assert.fail()] = await use.resources([tenant, 'nobody'], now);
  assert.deepEqual(after, { ...kept, max_queued_requests: 0, max_queued_bytes: 0 });
  assert.ok(Object.values(other).every(each => each === 0));
});
