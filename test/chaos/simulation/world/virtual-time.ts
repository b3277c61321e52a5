/**
 * Time that passes only when nothing is left to do, and processes that can be killed and stopped. The product's code runs as it is: timers,
 * clocks and random numbers of the runtime are replaced while a simulation runs, so the same seed does the same thing every time.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import { nuid } from '@nats-io/transport-node';
import type { Clock } from '@penstock/runtime';
import { seeded } from '../../../../libs/protocol/random.fixture.ts';

/** Unix ms at which a simulation begins. */
const BEGIN = 1_700_000_000_000;

// Draws random numbers when it is first used, once for all simulations of a process.
nuid.next();

/** One process of the simulated machines. What it has scheduled does not happen once it is dead, and waits while it is stopped. */
export class Proc {
  readonly name: string;
  isAlive = true;
  isStopped = false;
  /** What came due while it was stopped, in order. */
  readonly held: Scheduled[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

export interface Scheduled {
  at: number;
  seq: number;
  readonly proc: Proc;
  run: (() => void) | null;
}

export class VirtualTime {
  /** Since the beginning, ms. */
  now = 0;
  readonly world = new Proc('world');
  current: Proc = this.world;
  readonly rand: () => number;
  /** What was thrown where nobody catches it. */
  readonly thrown: string[] = [];
  readonly #heap: Scheduled[] = [];
  #seq = 0;
  events = 0;

  constructor(seed: number) {
    this.rand = seeded(seed);
  }

  get clock(): Clock {
    return { now: () => BEGIN + this.now, monotonic: () => this.now };
  }

  wall(): number {
    return BEGIN + this.now;
  }

  /** @param proc whose doing it is. */
  after(proc: Proc, ms: number, run: () => void): Scheduled {
    const entry = { at: this.now + Math.max(0, ms), seq: this.#seq++, proc, run };
    push(this.#heap, entry);
    return entry;
  }

  at(proc: Proc, at: number, run: () => void): Scheduled {
    return this.after(proc, at - this.now, run);
  }

  kill(proc: Proc): void {
    proc.isAlive = false;
    proc.held.length = 0;
  }

  stop(proc: Proc): void {
    proc.isStopped = true;
  }

  resume(proc: Proc): void {
    proc.isStopped = false;
    for (const entry of proc.held.splice(0)) {
      entry.at = this.now;
      entry.seq = this.#seq++;
      push(this.#heap, entry);
    }
  }

  /** Does what is due next, whoever's doing it is. @returns false where nothing is left. */
  #step(): boolean {
    const entry = pop(this.#heap);
    if (entry === undefined) return false;
    const { run, proc } = entry;
    if (run === null || !proc.isAlive) return true;
    this.now = Math.max(this.now, entry.at);
    if (proc.isStopped) {
      proc.held.push(entry);
      return true;
    }
    this.current = proc;
    this.events++;
    entry.run = null;
    try {
      run();
    } catch (err) {
      this.thrown.push(`${proc.name}: ${(err as Error).stack}`);
    }
    return true;
  }

  /** Goes on until it is said to be over, or nothing is left. What promises lead to is done before the next event. */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = () => process.nextTick(step);
      const now = Promise.resolve();
      const step = () => {
        try {
          if (isOver() || !this.#step()) return resolve();
        } catch (err) {
          return reject(err as Error);
        }
        // A tick comes after all microtasks, those that microtasks make too.
        void now.then(next);
      };
      next();
    });
  }

  /** Replaces timers, clocks and random numbers of the runtime. @returns a function that puts them back. */
  install(): () => void {
    const real = {
      ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
    };
    const realNow = [Date.now, performance.now, Math.random] as const;
    const builtin = { sleep: timersPromises.setTimeout, randomInt: crypto.randomInt };
    const timer = (run: (...args: never[]) => void, ms = 0, ...args: never[]) =>
      new Timer(this, () => run(...args), ms, false);
    const clear = (timer?: Timer | null) => timer?.clear?.();
    Object.assign(globalThis, {
      setTimeout: timer,
      clearTimeout: clear,
      setInterval: (run: () => void, ms = 1) => new Timer(this, run, ms, true),
      clearInterval: clear,
      setImmediate: (run: (...args: never[]) => void, ...args: never[]) => timer(run, 0, ...args),
      clearImmediate: clear,
    });
    Date.now = () => this.wall();
    performance.now = () => this.now;
    Math.random = this.rand;
    const sleep = <T>(ms?: number, value?: T) => new Promise<T>(done => timer(() => done(value as T), ms));
    Object.assign(timersPromises, { setTimeout: sleep });
    Object.assign(crypto, {
      randomInt: (least: number, end: number) => least + Math.floor(this.rand() * (end - least)),
    });
    syncBuiltinESMExports();
    return () => {
      Object.assign(globalThis, real);
      [Date.now, performance.now, Math.random] = realNow;
      Object.assign(timersPromises, { setTimeout: builtin.sleep });
      Object.assign(crypto, { randomInt: builtin.randomInt });
      syncBuiltinESMExports();
    };
  }
}

/** As the timers of Node. */
class Timer {
  readonly #time: VirtualTime;
  readonly #proc: Proc;
  readonly #run: () => void;
  readonly #ms: number;
  readonly #repeats: boolean;
  #entry: Scheduled;

  constructor(time: VirtualTime, run: () => void, ms: number, repeats: boolean) {
    this.#time = time;
    this.#proc = time.current;
    this.#run = run;
    this.#ms = ms;
    this.#repeats = repeats;
    this.#entry = this.#arm();
  }

  #arm(): Scheduled {
    return this.#time.after(this.#proc, this.#ms, () => {
      if (this.#repeats) this.#entry = this.#arm();
      this.#run();
    });
  }

  clear(): void {
    this.#entry.run = null;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  refresh(): this {
    this.clear();
    this.#entry = this.#arm();
    return this;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

function push(heap: Scheduled[], entry: Scheduled): void {
  let i = heap.push(entry) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = heap[parent] as Scheduled;
    if (!isBefore(entry, above)) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = entry;
}

function pop(heap: Scheduled[]): Scheduled | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Scheduled)) child++;
    const below = heap[child] as Scheduled;
    if (!isBefore(below, last)) break;
    heap[i] = below;
    i = child;
  }
  heap[i] = last;
  return first;
}
