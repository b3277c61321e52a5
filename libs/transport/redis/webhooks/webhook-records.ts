/** Webhook endpoints and how each has been doing: a hash for each endpoint, a sorted set for each tenant. */
import { WEBHOOK_MANAGED_KEY, type WebhookEndpoint, webhookKey, webhookListKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type {
  AddEndpointOutcome,
  KnownEndpoint,
  WebhookRecords,
} from '../../ports/webhooks/webhook-records.ts';
import { dialRedis, type RedisOptions } from '../connection/connection.ts';
import { RedisScripts } from '../scripts.ts';

const SCRIPTS = [
  'webhooks/add-endpoint',
  'webhooks/update-endpoint',
  'webhooks/claim-attempt',
  'webhooks/attempt-succeeded',
  'webhooks/attempt-failed',
  'webhooks/pause-endpoint',
] as const;

export class RedisWebhooks implements WebhookRecords {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisWebhooks> {
    const redis = await dialRedis(options, 'webhooks');
    return new RedisWebhooks(redis);
  }

  async add(endpoint: WebhookEndpoint, most: number): Promise<AddEndpointOutcome> {
    const { id, tenant, createdAt } = endpoint;
    const fields = fieldsOf(endpoint);
    const keys = [webhookListKey(tenant), webhookKey(id)];
    const said = await this.#scripts.run('webhooks/add-endpoint', ...keys, most, createdAt, id, ...fields);
    const [done, before = 0] = said as number[];
    return { isAdded: done === 1, before };
  }

  async get(id: string): Promise<KnownEndpoint | null> {
    return toKnown(await this.#redis.hgetall(webhookKey(id)));
  }

  async list(tenant: string): Promise<KnownEndpoint[]> {
    const ids = await this.#redis.zrevrange(webhookListKey(tenant), 0, -1);
    const known = await Promise.all(ids.map(id => this.get(id)));
    return known.filter(each => each !== null);
  }

  async update(id: string, change: Partial<WebhookEndpoint>): Promise<boolean> {
    return (await this.#scripts.run('webhooks/update-endpoint', webhookKey(id), ...fieldsOf(change))) === 1;
  }

  async remove(id: string, tenant: string): Promise<void> {
    await this.#redis.multi().zrem(webhookListKey(tenant), id).del(webhookKey(id)).exec();
  }

  async replaceManaged(endpoints: readonly WebhookEndpoint[]): Promise<void> {
    const before = await this.#redis.smembers(WEBHOOK_MANAGED_KEY);
    const wanted = new Set(endpoints.map(each => each.id));
    for (const id of before) {
      if (wanted.has(id)) continue;
      const known = await this.get(id);
      if (known !== null) await this.remove(id, known.endpoint.tenant);
      await this.#redis.srem(WEBHOOK_MANAGED_KEY, id);
    }
    for (const endpoint of endpoints) await this.#setManaged(endpoint);
  }

  /** An existing endpoint keeps its age and its state. */
  async #setManaged(endpoint: WebhookEndpoint): Promise<void> {
    await this.#redis.sadd(WEBHOOK_MANAGED_KEY, endpoint.id);
    const { id, createdAt: _age, disabled: _state, ...settings } = endpoint;
    if (!(await this.update(id, settings))) await this.add(endpoint, Number.MAX_SAFE_INTEGER);
  }

  async claim(id: string, now: number, breakerAt: number, probeMs: number): Promise<KnownEndpoint | null> {
    const flat = (await this.#scripts.run(
      'webhooks/claim-attempt',
      webhookKey(id),
      now,
      breakerAt,
      probeMs,
    )) as string[];
    const fields: Record<string, string> = {};
    for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
    return toKnown(fields);
  }

  async succeeded(id: string, now: number, begunAt: number): Promise<void> {
    await this.#scripts.run('webhooks/attempt-succeeded', webhookKey(id), now, begunAt);
  }

  async failed(id: string): Promise<number> {
    return Number(await this.#scripts.run('webhooks/attempt-failed', webhookKey(id)));
  }

  async pause(id: string, now: number, until: number): Promise<void> {
    await this.#scripts.run('webhooks/pause-endpoint', webhookKey(id), now, until);
  }

  async cameThroughSince(id: string, since: number): Promise<boolean> {
    return Number(await this.#redis.hget(webhookKey(id), 'cameThroughAt')) >= since;
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}

function fieldsOf(endpoint: Partial<WebhookEndpoint>): string[] {
  return Object.entries(endpoint).flatMap(([name, value]) => [name, JSON.stringify(value)]);
}

const COUNTERS: readonly string[] = ['failures', 'pausedAt', 'pausedUntil', 'cameThroughAt'];

function toKnown(fields: Record<string, string>): KnownEndpoint | null {
  if (fields['id'] === undefined) return null;
  const own = Object.entries(fields).filter(([name]) => !COUNTERS.includes(name));
  const endpoint = Object.fromEntries(own.map(([name, text]) => [name, JSON.parse(text)]));
  const health = {
    failures: Number(fields['failures'] ?? 0),
    pausedUntil: Number(fields['pausedUntil'] ?? 0),
  };
  return { endpoint: endpoint as unknown as WebhookEndpoint, health };
}
