/**
 * Work conservation on random fleets under random loads: no worker that has room leaves a queue alone for longer than the
 * bound. A failure names the seed and the smallest workload that still shows it; `SEED=n` runs that one alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BidTuning,
  DEFAULT_TUNING,
  fitting,
  idealWait,
  KV_FULL,
  kvPressure,
  mostDelayS,
  type PromptSize,
  SIZE_CLASSES,
  sizeClassOf,
  type WorkerStanding,
} from '@penstock/policy';
import type { FleetEvent } from '../workloads/scenarios.ts';
import { seededRandom, type TraceRequest } from '../workloads/trace.ts';
import type { DispatcherFactory, SimulatedFleet } from './dispatchers/dispatcher.ts';
import { Timer } from './engine/agenda.ts';
import { type PenstockParts, penstock } from './penstock/penstock.ts';
import type { SimulatedWorker } from './penstock/worker.ts';
import { simulate } from './simulate.ts';

const SEEDS = 2000;
const PROFILE = 'dense-70b-h100x4';
/** How often queues and workers are compared, virtual ms. */
const LOOK_MS = 20;
/** A renewal's pause, and two looks: a room and a request are each seen up to one look late, never early. */
const SLACK_MS = 5 + 2 * LOOK_MS;
const MAX_INPUT = 30_000;
/** The rule before there was a bound: the price rises for as long as it takes. */
const UNBOUNDED: BidTuning = { ...DEFAULT_TUNING, delays: { leastS: 1e6, mostS: 1e6 } };

interface Case {
  readonly fleet: readonly number[];
  readonly slots: number;
  readonly events: readonly FleetEvent[];
  readonly requests: readonly TraceRequest[];
}

function randomCase(seed: number): Case {
  const random = seededRandom(seed);
  const pick = <T>(...of: readonly T[]) => of[Math.floor(random() * of.length)] as T;
  const fleet = Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(1, 1, 1.5, 2, 4));
  const events: FleetEvent[] = [];
  for (const engine of fleet.keys()) {
    const atS = random() * 3;
    // An engine that stands still for a while has an overdue prompt, as one that computes a very long prompt has.
    if (random() < 0.4) {
      events.push({ atS, kind: 'slowdown', engine, factor: pick(5, 30, 200) });
      events.push({ atS: atS + 1 + random() * 4, kind: 'slowdown', engine, factor: 1 });
    } else if (engine > 0 && random() < 0.1) events.push({ atS, kind: 'kill', engine });
  }
  const gapMs = pick(5, 50, 400);
  let atMs = 0;
  const requests = Array.from({ length: 8 + Math.floor(random() * 40) }, (): TraceRequest => {
    atMs += random() < 0.5 ? 0 : 2 * gapMs * random();
    const inputTokens = Math.round(10 * (MAX_INPUT / 10) ** random());
    const first = Math.floor(random() * 5) * 1000;
    const blocks = Array.from({ length: Math.floor(inputTokens / 512) }, (_, i) => first + i);
    return { atMs, inputTokens, outputTokens: 1 + Math.floor(random() * 60), blocks };
  });
  return { fleet, slots: pick(1, 2, 4, 16), events, requests };
}

/** A worker that had room beside a queue, and left it alone. */
interface Idle {
  readonly worker: number;
  readonly size: string;
  readonly ms: number;
  readonly boundMs: number;
}

/** Watches one simulation: for how long each worker with room has left each queue alone. */
class Watch {
  worst: Idle | null = null;
  readonly #fleet: SimulatedFleet;
  /** Since when a worker with room has left a queue alone, and the bound meanwhile: what is known of the fleet's speed changes it. */
  readonly #since = new Map<string, { at: number; boundMs: number }>();
  /** When each waiting request was first seen in its queue. */
  readonly #queuedAt = new Map<number, number>();
  readonly #parts: PenstockParts;
  /** By worker: what it last decided from. Asking it again would make it learn, and so change what it decides. */
  readonly #standings = new Map<number, WorkerStanding>();

  constructor(fleet: SimulatedFleet, parts: PenstockParts) {
    this.#fleet = fleet;
    this.#parts = parts;
    for (const worker of parts.workers) this.#listen(worker);
    const timer = new Timer(() => {
      this.#look();
      fleet.agenda.set(timer, fleet.agenda.now + LOOK_MS);
    });
    fleet.agenda.set(timer, 0);
  }

  #listen(worker: SimulatedWorker): void {
    const standing = worker.standing.bind(worker);
    worker.standing = now => {
      const seen = standing(now);
      this.#standings.set(worker.index, seen);
      for (const size of SIZE_CLASSES) {
        const key = `${worker.index} ${size}`;
        const since = this.#since.get(key);
        if (!hasRoom(seen)) this.#since.delete(key);
        else if (since !== undefined) since.boundMs = Math.max(since.boundMs, boundMsOf(size, seen));
      }
      return seen;
    };
  }

  /** A worker took a request: whatever it left alone before, it does so no longer. */
  took(request: TraceRequest, worker: number): void {
    this.#since.set(`${worker} ${sizeClassOf(request.inputTokens)}`, {
      at: this.#fleet.agenda.now,
      boundMs: 0,
    });
  }

  #look(): void {
    const { now } = this.#fleet.agenda;
    for (const [place, { queue }] of this.#parts.consumers.entries()) {
      for (const { index } of queue) if (!this.#queuedAt.has(index)) this.#queuedAt.set(index, now);
      const size = SIZE_CLASSES[place] ?? 'short';
      const [head] = queue;
      for (const worker of this.#parts.workers) {
        const key = `${worker.index} ${size}`;
        if (head === undefined || worker.isDead) this.#since.delete(key);
        else this.#judge(worker, size, key, this.#queuedAt.get(head.index) ?? now);
      }
    }
  }

  #judge(worker: SimulatedWorker, size: PromptSize, key: string, queuedAt: number): void {
    const { now } = this.#fleet.agenda;
    const standing = this.#standings.get(worker.index);
    if (standing === undefined || !hasRoom(standing)) {
      this.#since.delete(key);
      return;
    }
    const since = this.#since.get(key) ?? { at: now, boundMs: boundMsOf(size, standing) };
    this.#since.set(key, since);
    const { boundMs } = since;
    const ms = now - Math.max(since.at, queuedAt);
    const { worst } = this;
    if (worst === null || ms - boundMs > worst.ms - worst.boundMs)
      this.worst = { worker: worker.index, size, ms, boundMs };
  }
}

/** As the rules for slots and KV memory say; room for the longest prompt, so that it is room for any. */
function hasRoom({ load }: WorkerStanding): boolean {
  const { running, slots, kvFreeTokens } = load;
  return running < slots && kvPressure(load) <= KV_FULL && fitting(kvFreeTokens, running, MAX_INPUT) >= 1;
}

function boundMsOf(size: PromptSize, { fleetTokensPerSec }: WorkerStanding): number {
  return 1000 * mostDelayS(idealWait(DEFAULT_TUNING.typical[size], fleetTokensPerSec));
}

function worstOf({ fleet, slots, events, requests }: Case, tuning: BidTuning): Idle | null {
  let watch: Watch | null = null;
  const policy: DispatcherFactory = simulated =>
    penstock({
      tuning,
      inspect: parts => {
        watch = new Watch(simulated, parts);
      },
    })({
      ...simulated,
      send: (request, index, worker) => {
        watch?.took(request, worker);
        return simulated.send(request, index, worker);
      },
    });
  simulate({ policy, requests, profile: PROFILE, fleet, slots, events });
  return (watch as Watch | null)?.worst ?? null;
}

function breaks(tried: Case, tuning: BidTuning): Idle | null {
  const worst = worstOf(tried, tuning);
  return worst !== null && worst.ms > worst.boundMs + SLACK_MS ? worst : null;
}

/** The smallest workload that still breaks the law: requests are left out, halves first. */
function shrink(failing: Case, tuning: BidTuning): Case {
  let smallest = failing;
  for (let size = failing.requests.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < smallest.requests.length; ) {
      const requests = smallest.requests.toSpliced(from, size);
      const smaller = { ...smallest, requests };
      if (requests.length > 0 && breaks(smaller, tuning) !== null) smallest = smaller;
      else from += size;
    }
  }
  return smallest;
}

function describe(seed: number, failing: Case, tuning: BidTuning): string {
  const smallest = shrink(failing, tuning);
  const idle = breaks(smallest, tuning);
  const shown = smallest.requests.map(({ atMs, inputTokens }) => `${inputTokens} at ${Math.round(atMs)}`);
  return [
    `seed ${seed}: worker ${idle?.worker} left the ${idle?.size} queue alone for ${idle?.ms.toFixed(0)} ms with room`,
    `(bound ${idle?.boundMs.toFixed(0)} ms); engines ${smallest.fleet.join(', ')} with ${smallest.slots} slots,`,
    `${JSON.stringify(smallest.events)}; prompts: ${shown.join(', ')}`,
  ].join(' ');
}

test('no worker with room leaves a queue alone for longer than the bound', () => {
  const only = Number(process.env['SEED'] ?? 0);
  const seeds = only > 0 ? [only] : Array.from({ length: SEEDS }, (_, i) => i + 1);
  for (const seed of seeds) {
    const tried = randomCase(seed);
    if (breaks(tried, DEFAULT_TUNING) !== null) assert.fail(describe(seed, tried, DEFAULT_TUNING));
  }
});

test('a price that may delay for ever breaks that law', () => {
  const broken = Array.from({ length: 40 }, (_, i) => i + 1).filter(
    seed => breaks(randomCase(seed), UNBOUNDED) !== null,
  );
  assert.ok(broken.length > 0);
});

test('a full queue fills every slot, however far over their price the workers are', () => {
  const burst = Array.from(
    { length: 300 },
    (): TraceRequest => ({
      ...{ atMs: 0, inputTokens: 3000, outputTokens: 400, blocks: [] },
    }),
  );
  const slots = 16;
  const running = [0, 0, 0, 0];
  const fullAt = [0, 0, 0, 0];
  const count: DispatcherFactory = simulated =>
    penstock()({
      ...simulated,
      send: (request, index, worker) => {
        running[worker] = (running[worker] ?? 0) + 1;
        if (running[worker] === slots) fullAt[worker] ||= simulated.agenda.now;
        return simulated.send(request, index, worker);
      },
    });
  // Engines so slow that none of them answers anything before all slots are taken.
  simulate({ policy: count, requests: burst, profile: PROFILE, fleet: [300, 300, 600, 900], slots });
  const boundMs = 1000 * mostDelayS(idealWait(DEFAULT_TUNING.typical.short, 20_000));
  for (const at of fullAt) assert.ok(at > 0 && at <= slots * (boundMs + 5), `${fullAt}`);
});
