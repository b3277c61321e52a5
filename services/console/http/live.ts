/**
 * The live state of the region as server-sent events: first a snapshot, then what changed. An event's id is the process and the number of the
 * state that it leads to; a reader that names one that is still kept gets what changed since, any other the whole state again. So is a
 * reader that is slow: it is sent nothing while its connection takes nothing, and then what changed since it was last sent something.
 */
import type { ServerResponse } from 'node:http';
import { diff } from '../shared/merge-patch.ts';
import type { RegionState, Sample } from '../shared/region-state.ts';

/** Four looks a second; a reader that is not in front gets every fourth. */
export const LOOK_MS = 250;
const LOOKS_A_SECOND = 1000 / LOOK_MS;
/** States that a reader can go on from. */
const KEPT_STATES = 120;
export const MOST_READERS = 64;

export interface LiveSource {
  look(): RegionState;
  /** Once a second. */
  sample(state: RegionState): void;
  readonly history: {
    readonly samples: readonly Sample[];
    samplesAfter(at: number): readonly Sample[];
  };
}

interface Reader {
  readonly out: ServerResponse;
  readonly everyLook: boolean;
  /** Whether it may go on reading. */
  readonly isWelcome: () => boolean;
  /** What it was sent last; null before anything. */
  seen: RegionState | null;
  isBlocked: boolean;
}

export class Live {
  readonly #source: LiveSource;
  /** Tells this process from others: numbers begin anew with each. */
  readonly #epoch: string;
  #seq = 0;
  #state: RegionState;
  /** Number of the look that `#state` is of. */
  #stateSeq = 0;
  /** What leads from other states to `#state`: made once for all readers. */
  readonly #deltas = new Map<RegionState, string>();
  readonly #kept = new Map<number, RegionState>();
  readonly #readers = new Set<Reader>();

  constructor(source: LiveSource, epoch: string) {
    this.#source = source;
    this.#epoch = epoch;
    this.#state = source.look();
    this.#kept.set(0, this.#state);
  }

  get readers(): number {
    return this.#readers.size;
  }

  get state(): RegionState {
    return this.#state;
  }

  /** Every {@link LOOK_MS}. */
  tick(): void {
    this.#seq++;
    const isSecond = this.#seq % LOOKS_A_SECOND === 0;
    // Nobody sees what lies between the seconds.
    if (!isSecond && ![...this.#readers].some(reader => reader.everyLook)) return;
    this.#state = this.#source.look();
    this.#stateSeq = this.#seq;
    this.#deltas.clear();
    if (isSecond) this.#source.sample(this.#state);
    this.#kept.set(this.#seq, this.#state);
    for (const seq of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_STATES) break;
      this.#kept.delete(seq);
    }
    for (const reader of this.#readers) this.#serve(reader, isSecond);
  }

  /** @param after id of the last event that the reader has seen. */
  add(out: ServerResponse, after: string, everyLook: boolean, isWelcome: () => boolean): void {
    const [, epoch, seq] = /^(\w+)\.(\d+)$/.exec(after) ?? [];
    const seen = epoch === this.#epoch ? (this.#kept.get(Number(seq)) ?? null) : null;
    const reader: Reader = { out, everyLook, isWelcome, seen, isBlocked: false };
    this.#readers.add(reader);
    out.on('close', () => this.#readers.delete(reader));
    out.on('drain', () => {
      reader.isBlocked = false;
    });
    this.#send(reader);
  }

  #serve(reader: Reader, isSecond: boolean): void {
    if (!reader.isWelcome()) reader.out.end();
    else if (!reader.isBlocked && (reader.everyLook || isSecond)) this.#send(reader);
  }

  #send(reader: Reader): void {
    const text = reader.seen === null ? this.#snapshot() : this.#deltaFrom(reader.seen);
    reader.seen = this.#state;
    reader.isBlocked = !reader.out.write(text);
  }

  #snapshot(): string {
    return this.#event('snapshot', { state: this.#state, samples: this.#source.history.samples });
  }

  #deltaFrom(seen: RegionState): string {
    let text = this.#deltas.get(seen);
    if (text === undefined) {
      const samples = this.#source.history.samplesAfter(seen.at);
      text = this.#event('delta', { patch: diff(seen, this.#state) ?? {}, samples });
      this.#deltas.set(seen, text);
    }
    return text;
  }

  #event(name: string, data: object): string {
    return `event: ${name}\nid: ${this.#epoch}.${this.#stateSeq}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  /** Ends every stream: the readers come back to whoever serves then. */
  close(): void {
    for (const { out } of this.#readers) out.end();
  }
}
