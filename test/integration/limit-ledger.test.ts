/** Limits in Redis: what its scripts count is what the ledger in memory counts by the rules of libs/policy. */
import { after, before } from 'node:test';
import { limitLeasesKey, limitsKey } from '@penstock/protocol';
import { RedisLimitLedger } from '@penstock/transport';
import { testLimitLedger } from '@penstock/transport/contracts';
import { Redis } from 'ioredis';
import { startRedis } from '../../testkit/redis.ts';

let server: Awaited<ReturnType<typeof startRedis>>;
let redis: Redis;
let ledgers: [RedisLimitLedger, RedisLimitLedger];
before(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  ledgers = [
    await RedisLimitLedger.connect({ url: server.url, name: 'one' }),
    await RedisLimitLedger.connect({ url: server.url, name: 'other' }),
  ];
});
after(async () => {
  for (const ledger of ledgers) await ledger.close();
  redis.disconnect();
  await server.stop();
});

/** The server's clock cannot be set: what is kept is moved into the past instead. */
async function elapse(project: string, ms: number): Promise<void> {
  for (const name of Object.keys(await redis.hgetall(limitsKey(project))))
    if (name.startsWith('tpm_limit')) await redis.hincrbyfloat(limitsKey(project), name, `${-ms}`);
  for (const key of [limitLeasesKey(project), limitLeasesKey(project, 'm')])
    for (const id of await redis.zrange(key, 0, '-1')) await redis.zincrby(key, `${-ms}`, id);
}

testLimitLedger(() => ({ ledgers, elapse }));
