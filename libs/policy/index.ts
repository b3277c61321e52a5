/** What to do: pure decisions. No clock, no I/O, no randomness of their own. */
export * from './affinity.ts';
export * from './architecture.ts';
export * from './cache-trust.ts';
export * from './deadline.ts';
export * from './disturbance.ts';
export * from './eta.ts';
export * from './health.ts';
export * from './kv-room.ts';
export * from './level.ts';
export * from './liveness.ts';
export * from './retry.ts';
export * from './shard.ts';
export * from './size-class.ts';
export * from './spare.ts';
export * from './tier.ts';
export * from './webhook.ts';
