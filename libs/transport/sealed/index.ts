/** Stores whose contents are sealed: each decorates the adapter of a port. */
export { SealedBodies } from './sealed-bodies.ts';
export { SealedConversations } from './sealed-conversations.ts';
export { SealedFiles } from './sealed-files.ts';
export { SealedRunLog } from './sealed-run-log.ts';
export { SealedRunStore } from './sealed-run-store.ts';
export { SealedTaskRecords } from './sealed-task-records.ts';
export { ENCRYPTED } from './sealed-text.ts';
export { SealedWebhooks } from './sealed-webhooks.ts';
