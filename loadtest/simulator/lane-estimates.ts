/** What the estimate by the broker's lanes ({@link estimateStart}) says of requests that go to the queue at once: it knows how many wait, not whose turn it is. */
import { estimateStart, learnStarts, SIZE_CLASSES, sizeClassOf } from '@penstock/policy';
import type { TraceRequest } from '../workloads/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from './dispatchers/dispatcher.ts';
import type { Job } from './engine/fluid-engine.ts';
import { type PenstockParts, penstock } from './penstock/penstock.ts';

/** As an ingress looks at its lanes, ms. */
const LOOK_MS = 1000;

interface Lane {
  arrived: number;
  lookedAt: number;
  pending: number;
  delivered: number;
  startsPerS: number | null;
}

/** Penstock without doors, and an estimate for each request as it comes. */
class EstimatedByLane implements Dispatcher {
  readonly #fleet: SimulatedFleet;
  readonly #seconds: number[];
  readonly #inner: Dispatcher;
  readonly #lanes = SIZE_CLASSES.map(
    (): Lane => ({ arrived: 0, lookedAt: 0, pending: 0, delivered: 0, startsPerS: null }),
  );
  #parts: PenstockParts = { workers: [], consumers: [] };

  constructor(fleet: SimulatedFleet, seconds: number[]) {
    this.#fleet = fleet;
    this.#seconds = seconds;
    const inspect = (parts: PenstockParts) => {
      this.#parts = parts;
    };
    this.#inner = penstock({ doors: null, inspect })(fleet);
  }

  arrive(request: TraceRequest, index: number): void {
    this.#seconds[index] = this.#estimate(request);
    this.#inner.arrive(request, index);
  }

  firstToken(job: Job, worker: number): void {
    this.#inner.firstToken?.(job, worker);
  }

  finished(job: Job, worker: number): void {
    this.#inner.finished?.(job, worker);
  }

  #estimate({ inputTokens }: TraceRequest): number {
    const at = SIZE_CLASSES.indexOf(sizeClassOf(inputTokens));
    const lane = this.#lanes[at];
    if (lane === undefined) return 0;
    this.#look(lane, this.#parts.consumers[at]?.queue.length ?? 0);
    lane.arrived++;
    const { now } = this.#fleet.agenda;
    const { workers } = this.#parts;
    const { pending, startsPerS } = lane;
    const engineWaitS = mean(workers.map(worker => worker.waitS(now)));
    const slots = this.#fleet.slots * workers.length;
    const { etaMs } = estimateStart({ pending, startsPerS }, { ahead: pending, engineWaitS, slots });
    return etaMs / 1000 + inputTokens / Math.max(1, mean(workers.map(worker => worker.quotedRate(now))));
  }

  #look(lane: Lane, pending: number): void {
    const { now } = this.#fleet.agenda;
    if (now - lane.lookedAt < LOOK_MS) return;
    const delivered = lane.arrived - pending;
    lane.startsPerS = learnStarts(lane.startsPerS, {
      started: delivered - lane.delivered,
      seconds: (now - lane.lookedAt) / 1000,
      backlog: Math.min(lane.pending, pending),
    });
    Object.assign(lane, { lookedAt: now, pending, delivered });
  }
}

function mean(of: readonly number[]): number {
  return of.reduce((sum, each) => sum + each, 0) / Math.max(1, of.length);
}

/** @param seconds filled with the estimate for each request, s. */
export function estimatedByLane(seconds: number[]): DispatcherFactory {
  return fleet => new EstimatedByLane(fleet, seconds);
}
