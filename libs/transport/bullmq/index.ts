/** Queues of tasks on BullMQ. An entry of its own, since its 250 modules cost a worker more to load than all of Penstock. */
export { BullBatches } from './batch-jobs.ts';
export { BullDeliveries } from './delivery-jobs.ts';
