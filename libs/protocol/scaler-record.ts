/** What a scaler decided and how its pools are, as it is kept in Redis for people to look at: JSON. Nothing but a scaler that takes over goes by it. */
import { z } from 'zod';
import { readRecord } from './wire/json-message.ts';
import { assertToken } from './wire/token.ts';

const count = z.number().min(0);
const byPool = z.record(z.string(), count);

const inputs = z.record(z.string(), z.number());

/** Reasons and limits are those of `libs/policy/scaling/decision.ts`; one of a later version is shown as it is written. */
const decision = z.object({
  models: z.array(z.string()),
  kind: z.enum(['up', 'down', 'keep']),
  reason: z.string(),
  limit: z.string().nullable(),
  /** Workers by pool, as decided. */
  workers: byPool,
  inputs,
});

const scalerEntry = decision.extend({
  /** Unix ms. */
  at: z.number(),
  /** Workers by pool, as they were. */
  before: byPool,
  /** Why the driver cannot be relied on, where that is the reason. */
  trouble: z.string().optional(),
});
export type ScalerEntry = z.infer<typeof scalerEntry>;

const scalerState = z.object({
  /** Unix ms. */
  at: z.number(),
  /** Name of the scaler that decides. */
  by: z.string(),
  driver: z.string(),
  trouble: z.string().optional(),
  pools: z.array(
    z.object({
      pool: z.string(),
      ready: count,
      starting: count,
      /** Of those that start: ordered so long ago that they will not come. */
      overdue: count,
      wanted: count,
      /** Workers that take nothing new, and go once they run nothing. */
      draining: z.array(z.string()),
      /** As learned, s. */
      startS: count,
      pricePerHour: count,
    }),
  ),
  groups: z.array(decision),
});
export type ScalerState = z.infer<typeof scalerState>;

/** Null for what another version wrote and this one cannot read. */
export function readScalerEntry(text: string): ScalerEntry | null {
  return readRecord(scalerEntry, text);
}

export function readScalerState(text: string): ScalerState | null {
  return readRecord(scalerState, text);
}

/** Redis list of the latest decisions of a region, newest first. */
export function scalerLogKey(region: string): string {
  return `penstock:scaler:log:${assertToken(region)}`;
}

/** Redis key of how the pools of a region are. */
export function scalerStateKey(region: string): string {
  return `penstock:scaler:state:${assertToken(region)}`;
}
