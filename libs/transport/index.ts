/** How it travels: ports and their adapters. */
export { BullBatches } from './bullmq-batches.ts';
export { BullDeliveries } from './bullmq-deliveries.ts';
export { DirectoryFiles } from './directory-files.ts';
export {
  type AllowList,
  checkEgressUrl,
  EgressRefused,
  type Resolve,
  readAllowList,
  resolveEgress,
} from './egress-guard.ts';
export { FileLibrary } from './file-library.ts';
export { type NatsOptions, NatsWorkQueue } from './nats.ts';
export { NatsDeadLetters } from './nats-dead-letters.ts';
export * from './ports.ts';
export { type RedisOptions, RedisReplyBus } from './redis.ts';
export { RedisRunDeadlines } from './redis-deadlines.ts';
export { RedisDeliveries } from './redis-deliveries.ts';
export { RedisEventOutbox } from './redis-outbox.ts';
export { RedisRunLog } from './redis-run-log.ts';
export { RedisRunStore } from './redis-runs.ts';
export { RedisTaskRecords } from './redis-tasks.ts';
export { RedisWebhooks } from './redis-webhooks.ts';
export { S3Files, type S3Options } from './s3-files.ts';
export { GuardedPoster } from './undici-poster.ts';
export * from './webhook-ports.ts';
