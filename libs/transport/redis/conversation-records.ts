/** Conversations in Redis: a hash each, and a list of its entries. */
import { type ConversationRecord, conversationEntriesKey, conversationKey } from '@penstock/protocol';
import type { Redis } from 'ioredis';
import type {
  ConversationLimits,
  ConversationName,
  ConversationRecords,
} from '../ports/conversation-records.ts';
import { dialRedis, type RedisOptions } from './connection/connection.ts';
import { RedisScripts } from './scripts.ts';

const SCRIPTS = ['conversations/add', 'conversations/replace'] as const;

export class RedisConversations implements ConversationRecords {
  readonly #redis: Redis;
  readonly #scripts: RedisScripts<(typeof SCRIPTS)[number]>;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#scripts = new RedisScripts(redis, SCRIPTS);
  }

  static async connect(options: RedisOptions): Promise<RedisConversations> {
    const redis = await dialRedis(options, 'conversations');
    return new RedisConversations(redis);
  }

  async create({ id, metadata, ...rest }: ConversationRecord, ttlMs: number): Promise<void> {
    const key = conversationKey(id);
    const fields = { about: JSON.stringify({ id, ...rest }), metadata: JSON.stringify(metadata) };
    await this.#redis.multi().hset(key, fields).pexpire(key, ttlMs).exec();
  }

  async record(id: string): Promise<ConversationRecord | null> {
    const [about, metadata] = await this.#redis.hmget(conversationKey(id), 'about', 'metadata');
    if (!about) return null;
    return { ...JSON.parse(about), metadata: JSON.parse(metadata ?? '{}') } as ConversationRecord;
  }

  entries({ id }: ConversationName): Promise<string[]> {
    return this.#redis.lrange(conversationEntriesKey(id), 0, -1);
  }

  async describe(id: string, metadata: ConversationRecord['metadata']): Promise<boolean> {
    const key = conversationKey(id);
    if ((await this.#redis.exists(key)) === 0) return false;
    await this.#redis.hset(key, 'metadata', JSON.stringify(metadata));
    return true;
  }

  async add({ id }: ConversationName, entries: readonly string[], limits: ConversationLimits) {
    const { ttlMs, maxEntries, maxBytes } = limits;
    const keys = [conversationKey(id), conversationEntriesKey(id)];
    const outcome = await this.#scripts.run(
      'conversations/add',
      ...keys,
      ...[ttlMs, maxEntries, maxBytes],
      ...entries,
    );
    return outcome === 1 ? 'added' : outcome === 0 ? 'missing' : 'full';
  }

  async replace({ id }: ConversationName, entry: string, by: readonly string[]): Promise<void> {
    const keys = [conversationKey(id), conversationEntriesKey(id)];
    await this.#scripts.run('conversations/replace', ...keys, entry, ...by);
  }

  async remove(id: string): Promise<void> {
    await this.#redis.del(conversationKey(id), conversationEntriesKey(id));
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
