/** Projects and keys in Redis. */
import { after, before, test } from 'node:test';
import { RedisProjectRecords } from '@penstock/transport';
import { testProjectRecords } from '@penstock/transport/contracts';
import { startRedis } from '../../testkit/redis.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let records: RedisProjectRecords;
before(async () => {
  redis = await startRedis();
  records = await RedisProjectRecords.connect({ url: redis.url, name: 'test' });
});
after(async () => {
  await records.close();
  await redis.stop();
});

testProjectRecords(() => records);

test('who gets no processor for seconds while it connects does not take Redis for away', async () => {
  const connecting = RedisProjectRecords.connect({ url: redis.url, name: 'starved' });
  // As where others have all processors: nothing is read, and no timer runs. The limit of a first connection is 5 s.
  await new Promise(resolve => setImmediate(resolve));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5500);
  await (await connecting).close();
});
