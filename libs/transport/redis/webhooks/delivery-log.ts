/** The latest deliveries of each endpoint, with their attempts. Holds ids, never bodies or secrets. */
import {
  type DeliveryAttempt,
  deliveryAttemptsKey,
  deliveryKey,
  deliveryListKey,
  type WebhookDelivery,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { DeliveryLog } from '../../ports/webhooks/delivery-log.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const TTL_MS = 7 * 24 * 3600 * 1000;
/** Most deliveries kept for an endpoint, and attempts kept for a delivery. */
const MOST_DELIVERIES = 500;
const MOST_ATTEMPTS = 30;

const SCRIPTS = ['webhooks/open-delivery', 'webhooks/delivery-attempted'] as const;

export class RedisDeliveries implements DeliveryLog {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisDeliveries> {
    const redis = await dialRedis(options, 'deliveries');
    return new RedisDeliveries(redis);
  }

  async open(deliveries: readonly Pick<WebhookDelivery, 'id' | 'endpoint' | 'event'>[]): Promise<void> {
    const opened = deliveries.map(({ id, endpoint, event }) =>
      this.#scripts.run(
        'webhooks/open-delivery',
        ...[deliveryListKey(endpoint), deliveryKey(id), id],
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
    await this.#scripts.run(
      'webhooks/delivery-attempted',
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
