/** Projects and keys in Redis. */
import { after, before } from 'node:test';
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
