/** Contracts of the ports, as tests: adapters in memory and on servers have to pass the same ones. */
export * from './audit-log.ts';
export * from './control-channel.ts';
export * from './limits/backlog.ts';
export * from './limits/limit-ledger.ts';
export * from './nth.ts';
export * from './open-runs.ts';
export * from './project-records.ts';
export * from './queue/work-queue.ts';
export * from './region-hints.ts';
export * from './reply-bus.ts';
export { testRequestBodies } from './request-bodies.ts';
export * from './run-log.ts';
export { newRun, type RunStoreSubject, testRunStore } from './run-store.ts';
