/** The log of deliveries in Redis: the latest of each endpoint, with their attempts. Holds ids, never bodies or secrets. */
import {
  type DeliveryAttempt,
  deliveryAttemptsKey,
  deliveryKey,
  deliveryListKey,
  type WebhookDelivery,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { DeliveryLog } from '../../ports/webhooks/delivery-log.ts';
import { openRedis, type RedisOptions } from '../connection.ts';

const TTL_MS = 7 * 24 * 3600 * 1000;
/** Deliveries kept of an endpoint, and attempts of a delivery. */
const MOST_DELIVERIES = 500;
const MOST_ATTEMPTS = 30;

/** KEYS list, delivery · ARGV age ms, id, record, ttl ms, most. What falls off the end of the list goes with it. */
const OPEN = `
if redis.call('EXISTS',KEYS[2])==0 then redis.call('HSET',KEYS[2],'record',ARGV[3],'state','pending') end
redis.call('PEXPIRE',KEYS[2],ARGV[4])
redis.call('ZADD',KEYS[1],ARGV[1],ARGV[2])
redis.call('PEXPIRE',KEYS[1],ARGV[4])
local old=redis.call('ZRANGE',KEYS[1],0,-1-ARGV[5])
for _,id in ipairs(old) do
  redis.call('DEL','${deliveryKey('x').slice(0, -1)}'..id,'${deliveryAttemptsKey('x').slice(0, -1)}'..id)
  redis.call('ZREM',KEYS[1],id)
end`;

/** KEYS delivery, attempts · ARGV state, attempt ('' = none), ttl ms, most */
const ATTEMPTED = `
if redis.call('EXISTS',KEYS[1])==0 then return end
redis.call('HSET',KEYS[1],'state',ARGV[1])
if ARGV[2]=='' then return end
redis.call('RPUSH',KEYS[2],ARGV[2])
redis.call('LTRIM',KEYS[2],-ARGV[4],-1)
redis.call('PEXPIRE',KEYS[2],ARGV[3])`;

type Script = (...args: (string | number)[]) => Promise<unknown>;

export class RedisDeliveries implements DeliveryLog {
  readonly #redis: Redis & { penstockOpenDelivery: Script; penstockAttempted: Script };

  private constructor(redis: Redis) {
    redis.defineCommand('penstockOpenDelivery', { numberOfKeys: 2, lua: OPEN });
    redis.defineCommand('penstockAttempted', { numberOfKeys: 2, lua: ATTEMPTED });
    this.#redis = redis as Redis & { penstockOpenDelivery: Script; penstockAttempted: Script };
  }

  static async connect(options: RedisOptions): Promise<RedisDeliveries> {
    const redis = openRedis(options, 'deliveries');
    await redis.connect();
    return new RedisDeliveries(redis);
  }

  async open(deliveries: readonly Pick<WebhookDelivery, 'id' | 'endpoint' | 'event'>[]): Promise<void> {
    const opened = deliveries.map(({ id, endpoint, event }) =>
      this.#redis.penstockOpenDelivery(
        ...[deliveryListKey(endpoint), deliveryKey(id), Date.now(), id],
        ...[JSON.stringify({ id, endpoint, event }), TTL_MS, MOST_DELIVERIES],
      ),
    );
    await Promise.all(opened);
  }

  async attempted(
    id: string,
    attempt: DeliveryAttempt | null,
    state: WebhookDelivery['state'],
  ): Promise<void> {
    const text = attempt === null ? '' : JSON.stringify(attempt);
    await this.#redis.penstockAttempted(
      deliveryKey(id),
      deliveryAttemptsKey(id),
      state,
      text,
      TTL_MS,
      MOST_ATTEMPTS,
    );
  }

  async get(id: string): Promise<WebhookDelivery | null> {
    const [[record, state], attempts] = await Promise.all([
      this.#redis.hmget(deliveryKey(id), 'record', 'state'),
      this.#redis.lrange(deliveryAttemptsKey(id), 0, -1),
    ]);
    if (!record) return null;
    const about = JSON.parse(record) as Pick<WebhookDelivery, 'id' | 'endpoint' | 'event'>;
    return {
      ...about,
      state: state as WebhookDelivery['state'],
      attempts: attempts.map(text => JSON.parse(text) as DeliveryAttempt),
    };
  }

  async list(endpoint: string): Promise<string[]> {
    return this.#redis.zrevrange(deliveryListKey(endpoint), 0, -1);
  }

  async forget(endpoint: string): Promise<void> {
    const ids = await this.list(endpoint);
    const keys = ids.flatMap(id => [deliveryKey(id), deliveryAttemptsKey(id)]);
    await this.#redis.del(deliveryListKey(endpoint), ...keys);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
