/**
 * What the batches of one process may do together. Lines that nobody can take (their model has no worker, or no room to
 * spare) hold a batch up for hours, and only that one: each has a share of the room, and reads its file in turn with others.
 */

/** Bytes of lines queued or running at once: many of the longest lines would fill the broker. */
const WINDOW_BYTES = 64 * 1024 * 1024;
/** As many windows are open at once, whatever the number of batches. */
const WINDOWS = 4;
/** Batches that have lines in memory at once. */
const READERS = 4;

/** Lines asked for, made and queued together. */
export const CHUNK = { lines: 64, bytes: 4 * 1024 * 1024 } as const;

export class FeedRoom {
  /** Lines of one batch. */
  readonly window: number;
  /** Whoever holds much of a file in memory takes turns with others. */
  readonly turns = new Turns(READERS);
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

  /** Whether so many more lines have room beside those of all others. */
  fits(place: Place, lines: number): boolean {
    const most = { lines: WINDOWS * this.window, bytes: WINDOWS * WINDOW_BYTES };
    let [allLines, allBytes] = [lines, CHUNK.bytes];
    for (const each of this.#places) {
      allLines += each.lines;
      allBytes += each.bytes;
    }
    // Its share is a batch's own even where those before it keep all the room, and never give it back.
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

  /** Whether so many more lines may be queued. Where none is, some always may. */
  fits(lines: number): boolean {
    if (this.lines === 0) return true;
    if (this.lines + lines > this.#room.window || this.bytes + CHUNK.bytes > WINDOW_BYTES) return false;
    return this.#room.fits(this, lines);
  }

  leave(): void {
    this.#room.leave(this);
  }
}

/** So many at a time; others wait in order. */
export class Turns {
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
