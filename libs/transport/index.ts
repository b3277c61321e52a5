/** How it travels: ports and their adapters. */
export { BullBatches } from './bullmq-batches.ts';
export { DirectoryFiles } from './directory-files.ts';
export { type NatsOptions, NatsWorkQueue } from './nats.ts';
export * from './ports.ts';
export { type RedisOptions, RedisReplyBus } from './redis.ts';
export { RedisEventOutbox } from './redis-outbox.ts';
export { RedisRunLog } from './redis-run-log.ts';
export { RedisRunStore } from './redis-runs.ts';
export { RedisTaskRecords } from './redis-tasks.ts';
export * from './webhook-ports.ts';
