/** How it travels: ports and their adapters. */
export { type NatsOptions, NatsWorkQueue } from './nats.ts';
export * from './ports.ts';
export { type RedisOptions, RedisReplyBus } from './redis.ts';
export { RedisRunStore } from './redis-runs.ts';
