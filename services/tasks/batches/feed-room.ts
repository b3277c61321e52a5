/**
 * Shares the room for queued lines among the batches of one process. A batch whose lines nobody takes (its model has no worker, or
 * no idle capacity) may be held up for hours; since every batch has a share of its own, it holds up no other one.
 */
import { fitsShare } from '@penstock/policy';

/** Bytes of one batch's lines that are queued or running at once: many of the longest lines would fill the broker. */
const WINDOW_BYTES = 64 * 1024 * 1024;
/** The room of the batches of one tenant that is alone, in windows. */
const WINDOWS = 4;
/** What there is for all, as a multiple of that: one alone gets two thirds of it. */
const SPARE = 1.5;
/** Batches of one tenant that may have lines queued although there is no room, so that one whose lines nobody takes holds up no other. */
const MOST_HELD = 64;
/** Batches that hold lines of their files in memory at once. */
const READERS = 4;

/** How much is read and queued in one step. */
export const CHUNK = { lines: 64, bytes: 4 * 1024 * 1024 } as const;

export class FeedRoom {
  /** Most lines of one batch that are queued or running at once. */
  readonly window: number;
  /** To be held while much of a file is in memory. */
  readonly turns = new Semaphore(READERS);
  readonly #places = new Set<Place>();

  constructor(window: number) {
    this.window = window;
  }

  enter(tenant: string): Place {
    const place = new Place(this, tenant);
    this.#places.add(place);
    return place;
  }

  leave(place: Place): void {
    this.#places.delete(place);
  }

  /** Whether there is room for so many more lines of a batch beside those of all others, in the share of its tenant. */
  fits(place: Place, lines: number): boolean {
    const most = { lines: WINDOWS * this.window, bytes: WINDOWS * WINDOW_BYTES };
    const all = { lines: 0, bytes: 0 };
    const own = { lines: 0, bytes: 0, holding: 0, places: 0 };
    for (const each of this.#places) {
      add(all, each);
      if (each.tenant !== place.tenant) continue;
      add(own, each);
      own.places++;
      if (each.lines > 0) own.holding++;
    }
    if (place.lines === 0 && own.holding < MOST_HELD) return true;
    if (!fitsShare({ total: SPARE * most.bytes, taken: all.bytes }, own.bytes, CHUNK.bytes)) return false;
    // A batch always gets its part, even while older ones of its tenant keep all of the tenant's share.
    const isBelowPart = place.lines + lines <= most.lines / own.places;
    return isBelowPart || fitsShare({ total: SPARE * most.lines, taken: all.lines }, own.lines, lines);
  }
}

function add(to: { lines: number; bytes: number }, { lines, bytes }: Place): void {
  to.lines += lines;
  to.bytes += bytes;
}

/** What one batch has queued or running. */
export class Place {
  readonly #room: FeedRoom;
  readonly tenant: string;
  lines = 0;
  bytes = 0;

  constructor(room: FeedRoom, tenant: string) {
    this.#room = room;
    this.tenant = tenant;
  }

  take(bytes: number): void {
    this.lines++;
    this.bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.lines--;
    this.bytes -= bytes;
  }

  /** Whether so many more lines may be queued. */
  fits(lines: number): boolean {
    if (this.lines > 0 && this.lines + lines > this.#room.window) return false;
    if (this.lines > 0 && this.bytes + CHUNK.bytes > WINDOW_BYTES) return false;
    return this.#room.fits(this, lines);
  }

  leave(): void {
    this.#room.leave(this);
  }
}

/** Lets a limited number of callers run at once; others wait in order. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>(resolve => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
