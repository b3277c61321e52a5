/** Room of one engine for requests of its worker, metered from what the worker does and what the engine tells. */
import { afterReading, afterRefusal, newSlotMemory, type SlotMemory } from './learned-slots.ts';
import { Refusals } from './refusals.ts';

/** Requests begun this short a time before a reading may be counted as waiting by an engine that is about to schedule them, ms. */
const FRESH_MS = 100;

/** What an engine tells of the requests inside it, of whoever they are; null where it does not. */
export interface EngineQueue {
  readonly running: number | null;
  readonly waiting: number | null;
}

export class SlotMeter {
  readonly #most: number;
  #memory: SlotMemory;
  /** What was known before refusals made the slots fall. */
  #unrefused: SlotMemory | null = null;
  readonly #refusals = new Refusals();
  #told: number | null = null;
  #begunAt: number[] = [];
  /** Most requests of the worker at once since the last reading: gauges are a little late. */
  #peak = 0;
  #others = 0;

  /** @param most requests that the operator allows at once. */
  constructor(most: number) {
    this.#most = most;
    this.#memory = newSlotMemory(most, null);
  }

  /** The engine told its own limit; null where it does not tell. Another one than before means another engine. */
  told(limit: number | null): void {
    if (limit === this.#told) return;
    this.#told = limit;
    this.#memory = newSlotMemory(this.#most, limit);
    this.#unrefused = null;
  }

  /** Requests that the engine runs at once, as far as known. */
  get learned(): number {
    return this.#memory.slots;
  }

  /**
   * Of these, for the worker: not used by calls of others, nor by calls whose client left while the engine runs on. 0 where others use all.
   */
  get slots(): number {
    return Math.max(0, this.#memory.slots - this.#others);
  }

  /** A request takes a slot. @param own requests of the worker, with it. */
  begin(own: number, now: number): void {
    this.#peak = Math.max(this.#peak, own);
    this.#begunAt = this.#begunAt.filter(at => now - at < FRESH_MS);
    this.#begunAt.push(now);
  }

  /** The engine is given a request. @param own other requests of the worker that it has. */
  asked(id: string, own: number, now: number): void {
    this.#refusals.begun(id, own + this.#others, now);
  }

  /** The engine answers it. */
  taken(id: string): void {
    if (this.#refusals.taken(id)) this.#unfall();
  }

  /** It was no want of room. */
  #unfall(): void {
    this.#memory = this.#unrefused ?? this.#memory;
    this.#unrefused = null;
  }

  /** It ended, and was not refused for want of room. */
  left(id: string): void {
    this.#refusals.left(id);
  }

  /** The engine refused a request, for want of room as it says. @param own requests of the worker that are left. */
  refused(id: string, own: number, now: number): void {
    const runs = own + this.#others;
    if (this.#refusals.passed(now, id)) this.#unfall();
    if (!this.#refusals.refused(id, runs, now)) return;
    const before = this.#memory;
    this.#memory = afterRefusal(before, runs, now);
    if (this.#memory !== before) this.#unrefused ??= before;
  }

  /**
   * About once a second.
   * @param own requests of the worker in the engine.
   * @param unstarted of these, without a first token.
   */
  read({ running, waiting }: EngineQueue, own: number, unstarted: number, now: number): void {
    if (this.#refusals.passed(now)) this.#unfall();
    const fresh = this.#begunAt.filter(at => now - at < FRESH_MS).length;
    const hasPrefill = running !== null && running - this.#others > own - unstarted;
    const reading = { running, waiting, own, fresh, hasPrefill };
    const most = Math.min(this.#most, this.#told ?? this.#most);
    const { slots } = this.#memory;
    this.#memory = afterReading(this.#memory, reading, most, now);
    // What the readings say since then is more than what a request says that gets in.
    if (this.#memory.slots !== slots) this.#unrefused = null;
    this.#others = running === null ? 0 : Math.max(0, running + (waiting ?? 0) - Math.max(own, this.#peak));
    this.#peak = own;
  }
}
