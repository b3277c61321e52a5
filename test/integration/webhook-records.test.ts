/** Endpoints of webhooks in Redis: what is learned of one by attempts that overlap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisWebhooks } from '@penstock/transport';
import { startRedis } from '../../testkit/redis.ts';

test('a success ends a pause unless that began after the attempt did', async () => {
  const redis = await startRedis();
  const records = await RedisWebhooks.connect({ url: redis.url, name: 'test' });
  const id = 'whe_1';
  const endpoint = { tenant: 't', name: 'n', url: 'https://a.example/', eventTypes: [], secret: 's' };
  const state = { oldSecret: null, createdAt: 0, updatedAt: 0, managed: false, disabled: null };
  try {
    await records.add({ id, ...endpoint, ...state }, 1);
    const health = async () => (await records.get(id))?.health;
    await records.failed(id);
    await records.pause(id, 1000, 61_000);
    await records.succeeded(id, 1200, 900);
    assert.deepEqual(
      await health(),
      { failures: 0, pausedUntil: 61_000 },
      'it was begun before the 429 came',
    );
    await records.pause(id, 2000, 3000);
    assert.equal((await health())?.pausedUntil, 61_000, 'never shortened');
    await records.succeeded(id, 61_100, 61_001);
    assert.deepEqual(await health(), { failures: 0, pausedUntil: 0 });
    assert.ok(await records.cameThroughSince(id, 61_100));
    assert.deepEqual((await records.get(id))?.endpoint, { id, ...endpoint, ...state });
    await records.succeeded('whe_none', 1, 1);
    assert.equal(await records.get('whe_none'), null);
  } finally {
    await records.close();
    await redis.stop();
  }
});
