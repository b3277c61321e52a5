/** One view of a region's workers, from their heartbeats and from the quotes on reply packets. */
export { Fleet, type FleetOptions } from './fleet.ts';
export type { Member } from './members.ts';
export { type ModelNamesOptions, NO_NAMES } from './model-names.ts';
export { DoorQueues } from './nodes/door-queues.ts';
export { type FleetSource, watchFleet } from './watch.ts';
