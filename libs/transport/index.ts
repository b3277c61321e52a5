/** How data travels between processes: ports, and their adapters. */
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
export { ClaimCheck, type ClaimHolder } from './files/claim-check.ts';
export { DirectoryFiles } from './files/directory-files.ts';
export { FileLibrary } from './files/file-library.ts';
export type { S3Options } from './files/s3-bucket.ts';
export { type ContentStores, openStores } from './files/stores.ts';
export type { NatsOptions } from './nats/connection.ts';
export { NatsDeadLetters } from './nats/dead-letters.ts';
export { NatsQueueSurvey } from './nats/queue-survey.ts';
export { NatsWorkQueue } from './nats/work-queue.ts';
export * from './ports/audit-log.ts';
export * from './ports/connect-error.ts';
export * from './ports/conversation-records.ts';
export * from './ports/model-registry.ts';
export * from './ports/placement-store.ts';
export * from './ports/queue/control-channel.ts';
export * from './ports/queue/dead-letters.ts';
export * from './ports/queue/queue-admin.ts';
export * from './ports/queue/request-bodies.ts';
export * from './ports/queue/work-consumer.ts';
export * from './ports/queue/work-publisher.ts';
export * from './ports/queue/work-queue.ts';
export * from './ports/region-survey.ts';
export * from './ports/reply-bus.ts';
export * from './ports/request-trails.ts';
export * from './ports/runs/completion-list.ts';
export * from './ports/runs/idempotency.ts';
export * from './ports/runs/run-deadlines.ts';
export * from './ports/runs/run-log.ts';
export * from './ports/runs/run-store.ts';
export * from './ports/runs/run-ttl.ts';
export * from './ports/tasks/batch-jobs.ts';
export * from './ports/tasks/file-contents.ts';
export * from './ports/tasks/paging.ts';
export * from './ports/tasks/task-records.ts';
export * from './ports/webhooks/delivery-jobs.ts';
export * from './ports/webhooks/delivery-log.ts';
export * from './ports/webhooks/event-outbox.ts';
export * from './ports/webhooks/poster.ts';
export * from './ports/webhooks/webhook-records.ts';
export { RedisAuditLog } from './redis/audit-log.ts';
export type { RedisOptions } from './redis/connection.ts';
export { RedisConversations } from './redis/conversation-records.ts';
export { RedisModelRegistry } from './redis/model-registry.ts';
export { RedisReplyBus } from './redis/reply-bus.ts';
export { RedisRequestTrails } from './redis/request-trails.ts';
export { RedisRunDeadlines } from './redis/runs/run-deadlines.ts';
export { RedisRunLog } from './redis/runs/run-log.ts';
export { RedisRunStore } from './redis/runs/run-store.ts';
export { RedisStoreSurvey } from './redis/store-survey.ts';
export { RedisTaskRecords } from './redis/task-records.ts';
export { RedisDeliveries } from './redis/webhooks/delivery-log.ts';
export { RedisEventOutbox } from './redis/webhooks/event-outbox.ts';
export { RedisWebhooks } from './redis/webhooks/webhook-records.ts';
