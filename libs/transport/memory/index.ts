/** Adapters in memory, for tests: they keep the same contracts as the real ones, without servers and on a clock that is given. */
export { MemoryAuditLog } from './audit-log.ts';
export type { MemoryClock } from './clock.ts';
export { MemoryDataKeys } from './data-keys.ts';
export { MemoryLimitLedger } from './limit-ledger.ts';
export { MemoryLimitUse } from './limit-use.ts';
export { MemoryModelRegistry } from './model-registry.ts';
export { MemoryPlacementStore } from './placement-store.ts';
export { MemoryProjectRecords } from './project-records.ts';
export { matchesFilter } from './queue/subjects.ts';
export { type MemoryDeadLetter, type MemorySettlement, MemoryWorkQueue } from './queue/work-queue.ts';
export { Recorded } from './recorded.ts';
export { MemoryReplyBus } from './reply-bus.ts';
export { MemoryRequestBodies } from './request-bodies.ts';
export { MemoryOpenRuns } from './runs/open-runs.ts';
export { MemoryRunLog } from './runs/run-log.ts';
export { MemoryRunStore } from './runs/run-store.ts';
