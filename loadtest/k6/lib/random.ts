/** Random numbers that are the same in every run, and draws from tables of quantiles. */

/** Deterministic numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The value at a share of the distribution; between two entries of the table its logarithm is taken to be linear. */
export function quantileAt(shares: readonly number[], values: readonly number[], share: number): number {
  const upper = shares.findIndex(entry => entry >= share);
  if (upper < 0) return values[values.length - 1] ?? 0;
  if (upper === 0) return values[0] ?? 0;
  const [fromShare, toShare] = [shares[upper - 1] ?? 0, shares[upper] ?? 1];
  const [from, to] = [Math.max(1, values[upper - 1] ?? 1), Math.max(1, values[upper] ?? 1)];
  return from * (to / from) ** ((share - fromShare) / (toShare - fromShare));
}
