/** Endpoints of webhooks in Redis, with how each has been doing: one hash an endpoint, one list a tenant. */
import { WEBHOOK_MANAGED_KEY, type WebhookEndpoint, webhookKey, webhookListKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type { KnownEndpoint, WebhookRecords } from '../../ports/webhooks/webhook-records.ts';
import { openRedis, type RedisOptions } from '../connection.ts';

/** KEYS list, endpoint · ARGV most, age, id, then field, value … */
const ADD = `
if redis.call('ZCARD',KEYS[1])>=tonumber(ARGV[1]) then return 0 end
redis.call('ZADD',KEYS[1],ARGV[2],ARGV[3])
redis.call('HSET',KEYS[2],unpack(ARGV,4))
return 1`;

/** KEYS endpoint · ARGV field, value … A removed endpoint does not come back as half a record. */
const UPDATE = `
if redis.call('EXISTS',KEYS[1])==0 then return 0 end
redis.call('HSET',KEYS[1],unpack(ARGV))
return 1`;

/**
 * The record as it was. Where its breaker is open and no pause runs, a pause begins: for everybody but this caller.
 * KEYS endpoint · ARGV now, failures at which the breaker opens, pause ms
 */
const CLAIM = `
local known=redis.call('HGETALL',KEYS[1])
local r=redis.call('HMGET',KEYS[1],'failures','pausedUntil')
if tonumber(r[1] or 0)>=tonumber(ARGV[2]) and tonumber(r[2] or 0)<=tonumber(ARGV[1]) then
  redis.call('HSET',KEYS[1],'pausedUntil',ARGV[1]+ARGV[3])
end
return known`;

/** KEYS endpoint */
const FAILED = `
if redis.call('EXISTS',KEYS[1])==0 then return 0 end
return redis.call('HINCRBY',KEYS[1],'failures',1)`;

/** KEYS endpoint · ARGV now, begun */
const SUCCEEDED = `
if redis.call('EXISTS',KEYS[1])==0 then return 0 end
redis.call('HSET',KEYS[1],'failures',0,'cameThroughAt',ARGV[1])
if tonumber(redis.call('HGET',KEYS[1],'pausedAt') or 0)<tonumber(ARGV[2]) then
  redis.call('HSET',KEYS[1],'pausedUntil',0)
end
return 1`;

/** KEYS endpoint · ARGV now, until */
const PAUSE = `
if redis.call('EXISTS',KEYS[1])==0 then return 0 end
redis.call('HSET',KEYS[1],'pausedAt',ARGV[1])
if tonumber(redis.call('HGET',KEYS[1],'pausedUntil') or 0)<tonumber(ARGV[2]) then
  redis.call('HSET',KEYS[1],'pausedUntil',ARGV[2])
end
return 1`;

const SCRIPTS = {
  Add: ADD,
  Update: UPDATE,
  Claim: CLAIM,
  Succeeded: SUCCEEDED,
  Failed: FAILED,
  Pause: PAUSE,
};
type Script = (...args: (string | number)[]) => Promise<unknown>;

export class RedisWebhooks implements WebhookRecords {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
    for (const [name, lua] of Object.entries(SCRIPTS))
      redis.defineCommand(`penstockWebhook${name}`, { numberOfKeys: name === 'Add' ? 2 : 1, lua });
  }

  static async connect(options: RedisOptions): Promise<RedisWebhooks> {
    const redis = openRedis(options, 'webhooks');
    await redis.connect();
    return new RedisWebhooks(redis);
  }

  #run(name: keyof typeof SCRIPTS, ...args: (string | number)[]): Promise<unknown> {
    const commands = this.#redis as unknown as Record<string, Script>;
    return (commands[`penstockWebhook${name}`] as Script).call(this.#redis, ...args);
  }

  async add(endpoint: WebhookEndpoint, most: number): Promise<boolean> {
    const { id, tenant, createdAt } = endpoint;
    const fields = fieldsOf(endpoint);
    return (
      (await this.#run('Add', webhookListKey(tenant), webhookKey(id), most, createdAt, id, ...fields)) === 1
    );
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
    return (await this.#run('Update', webhookKey(id), ...fieldsOf(change))) === 1;
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

  /** One that is there keeps its age and its state. */
  async #setManaged(endpoint: WebhookEndpoint): Promise<void> {
    await this.#redis.sadd(WEBHOOK_MANAGED_KEY, endpoint.id);
    const { id, createdAt: _age, disabled: _state, ...settings } = endpoint;
    if (!(await this.update(id, settings))) await this.add(endpoint, Number.MAX_SAFE_INTEGER);
  }

  async claim(id: string, now: number, breakerAt: number, probeMs: number): Promise<KnownEndpoint | null> {
    const flat = (await this.#run('Claim', webhookKey(id), now, breakerAt, probeMs)) as string[];
    const fields: Record<string, string> = {};
    for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
    return toKnown(fields);
  }

  async succeeded(id: string, now: number, begunAt: number): Promise<void> {
    await this.#run('Succeeded', webhookKey(id), now, begunAt);
  }

  async failed(id: string): Promise<number> {
    return Number(await this.#run('Failed', webhookKey(id)));
  }

  async pause(id: string, now: number, until: number): Promise<void> {
    await this.#run('Pause', webhookKey(id), now, until);
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
