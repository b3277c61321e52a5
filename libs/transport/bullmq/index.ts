/** Queues of tasks on BullMQ. An entry of its own, since its 250 modules cost a worker more to load than all of Penstock. */
export { BATCHES_AT_ONCE, BullBatches } from './batch-jobs.ts';
export { BullDeliveries, DELIVERIES_AT_ONCE } from './delivery-jobs.ts';
