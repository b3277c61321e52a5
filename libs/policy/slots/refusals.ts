/**
 * Whether an engine that refuses requests (429, 503) has no room, or means these requests: a limit of their sender, a prompt that it
 * will not have. It says the same of both, so one refusal says nothing. Two requests that were never refused before say that there is no
 * room, if none was taken in between beside as many others as they found inside; so do eight that were. What is refused again counts
 * for less because it is tried again and again: one such request would close the engine to all others each time.
 *
 * A request that is taken where others were refused before it is held against these: their refusals count no more.
 */
import { ONE_FAILURE_MS } from './learned-slots.ts';

/** Requests refused for the first time that say that there is no room. */
const SURE = 2;
/** Requests that say so where all of them were refused before: the excess of a burst is. */
const CROWD = 8;
/** An engine refuses at once: what has been inside for so long was taken, ms. */
const TAKEN_MS = 1000;
/** Requests that are remembered. */
const MOST = 1000;

/** A request that is inside and may yet be refused. */
interface Inside {
  /** What else was inside when it came. */
  others: number;
  readonly at: number;
}

interface Refused {
  /** What else was inside. */
  readonly others: number;
  readonly at: number;
  /** Another got in where it was refused. */
  isHeld: boolean;
}

/** Refusals that may be for want of room, since a request got in there. */
interface Doubt {
  readonly since: number;
  /** Fewest others inside. */
  others: number;
  readonly ids: Set<string>;
  /** Of these, never refused before. */
  fresh: number;
  /** Since when it is sure; null before. */
  sureAt: number | null;
}

export class Refusals {
  /** In the order in which they came. */
  readonly #inside = new Map<string, Inside>();
  /** The latest last. */
  readonly #refused = new Map<string, Refused>();
  #doubt: Doubt | null = null;

  /** A request is given to the engine. @param others what else is inside. */
  begun(id: string, others: number, now: number): void {
    this.#inside.set(id, { others, at: now });
  }

  /** It ended, and that says nothing of room. */
  left(id: string): void {
    this.#inside.delete(id);
  }

  /** The engine answers it. @returns whether it has room after all where it was thought to have none. */
  taken(id: string): boolean {
    const { others, at } = this.#inside.get(id) ?? { others: 0, at: Number.NEGATIVE_INFINITY };
    this.#inside.delete(id);
    this.#refused.delete(id);
    for (const refused of this.#refused.values())
      if (refused.at <= at && refused.others <= others) refused.isHeld = true;
    const doubt = this.#doubt;
    if (doubt === null || doubt.since > at || doubt.others > others) return false;
    this.#doubt = null;
    return doubt.sureAt !== null;
  }

  /** Time has passed, and some are still inside. @returns as {@link taken} does. @param leaving one that is not. */
  passed(now: number, leaving: string | null = null): boolean {
    let hasRoom = false;
    for (const [id, { at }] of this.#inside) {
      if (now - at < TAKEN_MS) break;
      if (id !== leaving) hasRoom = this.taken(id) || hasRoom;
    }
    return hasRoom;
  }

  /** @param others what is left inside. @returns whether the engine has no room for more than these. */
  refused(id: string, others: number, now: number): boolean {
    this.#neverIn(id);
    const known = this.#refused.get(id);
    // The one beside the fewest says the most.
    const isLess = known === undefined || others < known.others;
    this.#remember(id, isLess ? { others, at: now, isHeld: known?.isHeld ?? false } : known);
    if (known?.isHeld) return false;
    const doubt = this.#doubtAt(others, now);
    doubt.others = Math.min(doubt.others, others);
    doubt.ids.add(id);
    if (known === undefined) doubt.fresh++;
    if (doubt.fresh >= SURE || doubt.ids.size >= CROWD) doubt.sureAt ??= now;
    return doubt.sureAt !== null;
  }

  /** What came after it found fewer inside than was thought. */
  #neverIn(id: string): void {
    let isAfter = false;
    for (const [other, inside] of this.#inside) {
      if (isAfter) inside.others--;
      isAfter ||= other === id;
    }
    this.#inside.delete(id);
  }

  #remember(id: string, refused: Refused): void {
    this.#refused.delete(id);
    this.#refused.set(id, refused);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > MOST && oldest !== undefined) this.#refused.delete(oldest);
  }

  #doubtAt(others: number, now: number): Doubt {
    const { sureAt = null } = this.#doubt ?? {};
    const isOver = sureAt !== null && now - sureAt >= ONE_FAILURE_MS;
    if (this.#doubt === null || isOver)
      this.#doubt = { since: now, others, ids: new Set(), fresh: 0, sureAt: null };
    return this.#doubt;
  }
}
