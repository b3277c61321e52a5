import type { ScalerEntry, ScalerState } from '@penstock/protocol';

/** Decisions that are kept. */
export const DECISIONS_KEPT = 500;

/** What a scaler tells of itself, for the console and for the scaler after it. */
export interface ScalerRecords {
  add(entry: ScalerEntry): Promise<void>;
  /** Newest first. */
  list(most: number): Promise<ScalerEntry[]>;
  /** How the pools are now. */
  tell(state: ScalerState): Promise<void>;
  /** As told last; null where that was more than an hour ago. */
  state(): Promise<ScalerState | null>;
}
