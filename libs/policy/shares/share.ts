/**
 * How much of a place that all tenants share one of them may hold: so many times what is still free (dynamic thresholds, Choudhury and
 * Hahne 1998). Nobody has to be counted or known beforehand: one alone gets two thirds, two get two fifths each, and whoever comes
 * next always finds some.
 */

/** What one may hold, as a multiple of what stays free. */
const TIMES_FREE = 2;

/** Of a shared place: all of it, and what of it is taken. In bytes, places, whatever it is. */
export interface SharedPlace {
  readonly total: number;
  readonly taken: number;
}

/** The most that an owner may hold once it has so much more of it; below zero where there is no room for that. */
export function shareWith({ total, taken }: SharedPlace, wanted: number): number {
  const free = total - taken - wanted;
  return free < 0 ? -1 : TIMES_FREE * free;
}

/** Whether an owner that holds so much may have so much more. */
export function fitsShare(place: SharedPlace, held: number, wanted: number): boolean {
  return held + wanted <= shareWith(place, wanted);
}

/** The most that an owner gets of an empty place in one piece. */
export function largestShare(total: number): number {
  return Math.floor((TIMES_FREE * total) / (TIMES_FREE + 1));
}

/** Something that a place holds for a reader that has yet to take it. */
export interface HeldForReader {
  readonly owner: string;
  readonly bytes: number;
  /** Since its reader took anything, ms. */
  readonly stalledMs: number;
}

/** What is given up where there is too much: of the owner that holds most what has stood still for longest, of equals the largest. Null where nothing is held. */
export function nextToGiveUp<T extends HeldForReader>(held: Iterable<T>): T | null {
  const bytesOf = new Map<string, number>();
  const all = [...held].filter(({ bytes }) => bytes > 0);
  for (const { owner, bytes } of all) bytesOf.set(owner, (bytesOf.get(owner) ?? 0) + bytes);
  const [most] = [...bytesOf].sort((a, b) => b[1] - a[1])[0] ?? [null];
  const own = all.filter(({ owner }) => owner === most);
  return own.sort((a, b) => b.stalledMs - a.stalledMs || b.bytes - a.bytes)[0] ?? null;
}
