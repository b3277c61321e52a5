/** How it travels: ports and their adapters. */
export { BullBatches } from './bullmq/batch-jobs.ts';
export { BullDeliveries } from './bullmq/delivery-jobs.ts';
export {
  type AllowList,
  checkEgressUrl,
  EgressRefused,
  type Resolve,
  readAllowList,
  resolveEgress,
} from './egress/egress-guard.ts';
export { GuardedPoster } from './egress/guarded-poster.ts';
export { DirectoryFiles } from './files/directory-files.ts';
export { FileLibrary } from './files/file-library.ts';
export { S3Files, type S3Options } from './files/s3-files.ts';
export { NatsDeadLetters } from './nats/dead-letters.ts';
export { type NatsOptions, NatsWorkQueue } from './nats/work-queue.ts';
export * from './ports/ports.ts';
export * from './ports/webhook-ports.ts';
export { RedisDeliveries } from './redis/delivery-log.ts';
export { RedisEventOutbox } from './redis/event-outbox.ts';
export { type RedisOptions, RedisReplyBus } from './redis/reply-bus.ts';
export { RedisRunDeadlines } from './redis/run-deadlines.ts';
export { RedisRunLog } from './redis/run-log.ts';
export { RedisRunStore } from './redis/run-store.ts';
export { RedisTaskRecords } from './redis/task-records.ts';
export { RedisWebhooks } from './redis/webhook-records.ts';
