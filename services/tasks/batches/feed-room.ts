/**
 * Shares the room for queued lines among the batches of one process. A batch whose lines nobody takes (its model has no worker, or
 * no idle capacity) may be held up for hours; since every batch has a share of its own, it holds up no other one.
 */

/** Bytes of one batch's lines that are queued or running at once: many of the longest lines would fill the broker. */
const WINDOW_BYTES = 64 * 1024 * 1024;
/** The room of all batches together, in windows. */
const WINDOWS = 4;
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

  enter(): Place {
    const place = new Place(this);
    this.#places.add(place);
    return place;
  }

  leave(place: Place): void {
    this.#places.delete(place);
  }

  /** Whether there is room for so many more lines of a batch beside those of all others. */
  fits(place: Place, lines: number): boolean {
    const most = { lines: WINDOWS * this.window, bytes: WINDOWS * WINDOW_BYTES };
    let [allLines, allBytes] = [lines, CHUNK.bytes];
    for (const each of this.#places) {
      allLines += each.lines;
      allBytes += each.bytes;
    }
    // A batch always gets its share, even while older batches keep all of the room.
    const share = most.lines / this.#places.size;
    return allBytes <= most.bytes && (allLines <= most.lines || place.lines + lines <= share);
  }
}

/** What one batch has queued or running. */
export class Place {
  readonly #room: FeedRoom;
  lines = 0;
  bytes = 0;

  constructor(room: FeedRoom) {
    this.#room = room;
  }

  take(bytes: number): void {
    this.lines++;
    this.bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.lines--;
    this.bytes -= bytes;
  }

  /** Whether so many more lines may be queued. Always true while the batch has none queued. */
  fits(lines: number): boolean {
    if (this.lines === 0) return true;
    if (this.lines + lines > this.#room.window || this.bytes + CHUNK.bytes > WINDOW_BYTES) return false;
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
