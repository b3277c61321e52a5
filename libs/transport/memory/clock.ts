/** The time as the in-memory adapters need it. */
export interface MemoryClock {
  /** Unix ms. */
  now(): number;
}
