/** Stores whose contents are sealed: each decorates the adapter of a port. */
export { SealedBodies } from './sealed-bodies.ts';
export { SealedFiles } from './sealed-files.ts';
export { SealedRunLog } from './sealed-run-log.ts';
export { SealedRunStore } from './sealed-run-store.ts';
