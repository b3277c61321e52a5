/** How it travels: ports and their adapters. */
export { NatsWorkQueue, type NatsOptions } from './nats.ts';
export type * from './ports.ts';
export { RedisReplyBus, type RedisOptions } from './redis.ts';
