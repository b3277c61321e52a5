/** Everything that crosses a process boundary: messages, records, requests, errors, and the names of all of them. */
export * from './access/api-key.ts';
export * from './access/limit-keys.ts';
export * from './access/limit-names.ts';
export * from './access/objects.ts';
export {
  ACCESS_VERSION_KEY,
  PROJECTS_KEY,
  type Project,
  type ProjectLimits,
  readProject,
  type ServiceAccount,
} from './access/project.ts';
export * from './access/projects-file.ts';
export {
  adminKeyCreate,
  limitsIn,
  modelPermissionsUpdate,
  projectCreate,
  projectKeyUpdate,
  projectUpdate,
  rateLimitUpdate,
  serviceAccountCreate,
  serviceAccountKeyCreate,
  serviceAccountUpdate,
} from './access/requests.ts';
export * from './access/scopes.ts';
export * from './anthropic/error-body.ts';
export * from './anthropic/message-stream.ts';
export { type MessagesRequest, readCountRequest, readMessagesRequest } from './anthropic/to-chat.ts';
export * from './audit/chain.ts';
export * from './audit/entry.ts';
export * from './audit/objects.ts';
export * from './batches/batch.ts';
export * from './batches/batch-line.ts';
export * from './batches/batch-output.ts';
export * from './batches/file.ts';
export { batchCreate, filePurpose, lifetime } from './batches/requests.ts';
export * from './control/control-address.ts';
export * from './control/control-message.ts';
export * from './control/door-status.ts';
export * from './control/encode-message.ts';
export * from './control/heartbeat.ts';
export * from './control/ingress-status.ts';
export * from './endpoints/engine-rules.ts';
export { servedBy, type WriteFields } from './endpoints/served-by.ts';
export { validateRequest } from './endpoints/validate-request.ts';
export * from './engine/answer-events.ts';
export * from './engine/answer-progress.ts';
export * from './engine/chat-chunk.ts';
export * from './engine/content-type.ts';
export * from './engine/engine-error.ts';
export * from './engine/engine-event.ts';
export * from './engine/engine-json.ts';
export * from './engine/message-events.ts';
export * from './engine/sse.ts';
export * from './errors/errors.ts';
export { exactJson, parseExactText, withFields } from './json/exact-json.ts';
export { completionUpdate } from './openai/completion-update.ts';
export * from './openai/json-guard.ts';
export type { RequestSummary } from './openai/request-summary.ts';
export * from './openai/usage.ts';
export { type ElidedBody, ElidedMedia, elideMedia } from './prompt/elided-media.ts';
export { emptyProfile, type PromptProfile } from './prompt/prompt-profile.ts';
export { withoutMedia } from './prompt/without-media.ts';
export {
  type Compaction,
  compactionObject,
  keptItems,
  readCompactRequest,
} from './responses/compaction.ts';
export * from './responses/conversation.ts';
export * from './responses/input-item.ts';
export { type ChatMessage, type InputItem, isItemReference } from './responses/messages.ts';
export { placeOfItem } from './responses/output-item.ts';
export * from './responses/request.ts';
export * from './responses/response-stream.ts';
export * from './runs/choices-builder.ts';
export * from './runs/chunk-reader.ts';
export * from './runs/completion-builder.ts';
export * from './runs/idempotency.ts';
export * from './runs/public-ids.ts';
export * from './runs/run-log.ts';
export * from './runs/stored-run.ts';
export * from './runs/timeouts.ts';
export * from './runs/trail.ts';
export * from './runs/trail-words.ts';
export * from './scaler-record.ts';
export * from './tenant.ts';
export * from './webhooks/delivery.ts';
export * from './webhooks/endpoint.ts';
export * from './webhooks/event.ts';
export * from './webhooks/requests.ts';
export { isSecret, toSecret } from './webhooks/secret.ts';
export * from './wire/ack-subject.ts';
export * from './wire/bytes.ts';
export * from './wire/call-names.ts';
export * from './wire/data-keys.ts';
export * from './wire/endpoints.ts';
export * from './wire/envelope.ts';
export { MOST_NAME, MOST_SHARDS, NONCE_END } from './wire/fields.ts';
export * from './wire/frame.ts';
export * from './wire/frame-meta.ts';
export * from './wire/names.ts';
export * from './wire/queue-address.ts';
export * from './wire/token.ts';
