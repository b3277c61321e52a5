/** When to ask again about a stored run, and how soon it will begin. */
import { type Eta, estimateStart, pollRunning } from '@penstock/policy';
import type { StoredRun } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { type Lanes, UNKNOWN_LANE } from './lanes.ts';

const LEAST_PAUSE_MS = 250;

export interface FleetCapacity {
  /** Wait before a new prompt of the model is begun, s. */
  waitS(slug: string): number;
  /** Requests that all workers of the model hold at once. */
  slots(slug: string): number;
}

/** What the client of an unfinished run gets. */
export class PollHints {
  readonly #lanes: Lanes;
  readonly #fleet: FleetCapacity;
  readonly #clock: Clock;

  constructor(lanes: Lanes, fleet: FleetCapacity, clock: Clock) {
    this.#lanes = lanes;
    this.#fleet = fleet;
    this.#clock = clock;
  }

  headers(run: StoredRun): Record<string, string> {
    if (run.status !== 'queued') {
      const pollMs = pollRunning(this.#clock.now() - run.createdAt);
      return { ...pauses(pollMs), 'x-penstock-queue-position': 'running', 'x-penstock-queue-eta-ms': '0' };
    }
    const { position, etaMs, pollMs } = this.#etaOf(run);
    return {
      // Past its deadline it has failed, and the client should poll to learn of it.
      ...pauses(Math.min(pollMs, Math.max(LEAST_PAUSE_MS, run.deadlineAt - this.#clock.now()))),
      'x-penstock-queue-position': position,
      'x-penstock-queue-eta-ms': String(etaMs),
    };
  }

  /** The broker does not report a message's place, so everything that waits in its lane counts as ahead of it. */
  #etaOf(run: StoredRun): Eta {
    const { address } = run;
    const state = address === null ? UNKNOWN_LANE : this.#lanes.state(address);
    return estimateStart(state, {
      ahead: state.pending,
      engineWaitS: this.#fleet.waitS(run.slug),
      slots: this.#fleet.slots(run.slug),
    });
  }
}

function pauses(pollMs: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(pollMs / 1000)), 'openai-poll-after-ms': String(pollMs) };
}
