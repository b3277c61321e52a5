/**
 * Calls workers that have fallen silent while they run something for this node. That no heartbeat comes proves nothing for three seconds, but the broker
 * knows at once whether anybody listens at a worker's address: a process that has ended does not, and one that was started in its place says that it is
 * another. Nobody there, and no answer a moment later either, is the end of it; one that has lost its connection has it back by then. A call that is merely
 * not answered says nothing: who is busy or stopped listens still.
 */
import type { Fleet } from '@penstock/fleet';
import { isCalled, LOST_AFTER_MS, UNHEARD_AFTER_MS } from '@penstock/policy';
import { encodeMessage, readRollCall } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';

export interface RollCallOptions {
  readonly control: Pick<ControlChannel, 'ask' | 'connected'>;
  readonly fleet: Pick<Fleet, 'silentMs'>;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** A request, as far as it is about who runs it. */
export interface RunRequest {
  /** Whether its client has seen a part of the answer. */
  readonly shown: boolean;
  readonly running: { readonly worker: string; readonly incarnation: string } | null;
}

/** A process of a worker that runs something for this node. */
interface Called {
  readonly worker: string;
  readonly incarnation: string;
  /** A stream that it runs has begun. */
  flows: boolean;
  /** A call is on its way. */
  isAsked: boolean;
  /** When it last answered, or could not be known to be gone; monotonic ms. */
  answeredAt: number;
  /** Since when nobody listens there, or only another process of its name; null while it may be there. */
  nobodySince: number | null;
}

const ANSWER_WITHIN_MS = 1000;
/** The second time. By then another process may listen under this name, which in the version before does not answer for the one before it. */
const LAST_ANSWER_WITHIN_MS = 300;

export class RollCall {
  readonly #o: RollCallOptions;
  readonly #onEnded: (worker: string, incarnation: string) => void;
  /** By worker and process. */
  #all = new Map<string, Map<string, Called>>();
  /** Since when this node is connected, monotonic ms: after an outage others may be back a little later. */
  #connectedSince: number;

  /** @param onEnded told once of each process that has ended without a word. */
  constructor(options: RollCallOptions, onEnded: (worker: string, incarnation: string) => void) {
    this.#o = options;
    this.#onEnded = onEnded;
    this.#connectedSince = options.clock.monotonic();
  }

  /** To be called every {@link CALL_EVERY_MS}, with all that is open. */
  look(requests: Iterable<RunRequest>): void {
    const now = this.#o.clock.monotonic();
    if (!this.#o.control.connected) this.#connectedSince = now;
    if (now - this.#connectedSince < LOST_AFTER_MS) return this.#all.clear();
    this.#all = this.#runningOf(requests);
    for (const processes of this.#all.values())
      for (const called of processes.values()) if (this.#isDue(called, now)) void this.#call(called);
  }

  /** What is known of those that run nothing here any more is forgotten. */
  #runningOf(requests: Iterable<RunRequest>): Map<string, Map<string, Called>> {
    const all = new Map<string, Map<string, Called>>();
    for (const { running, shown } of requests) {
      if (running === null || running.incarnation === '') continue;
      const { worker, incarnation } = running;
      const processes = all.get(worker) ?? new Map<string, Called>();
      if (processes.size === 0) all.set(worker, processes);
      const known = processes.get(incarnation);
      if (known !== undefined) {
        known.flows ||= shown;
        continue;
      }
      const before = this.#all.get(worker)?.get(incarnation);
      if (before !== undefined) before.flows = shown;
      const fresh = { worker, incarnation, flows: shown, isAsked: false, answeredAt: 0, nobodySince: null };
      processes.set(incarnation, before ?? fresh);
    }
    return all;
  }

  #isDue({ worker, incarnation, flows, isAsked, answeredAt, nobodySince }: Called, now: number): boolean {
    if (isAsked) return false;
    if (nobodySince !== null) return now - nobodySince >= UNHEARD_AFTER_MS;
    const silentMs = this.#o.fleet.silentMs(worker, incarnation);
    return silentMs !== null && isCalled(Math.min(silentMs, now - answeredAt), flows);
  }

  async #call(called: Called): Promise<void> {
    const { control, clock } = this.#o;
    const { worker, incarnation, nobodySince } = called;
    const withinMs = nobodySince === null ? ANSWER_WITHIN_MS : LAST_ANSWER_WITHIN_MS;
    called.isAsked = true;
    const question = encodeMessage({ called: incarnation });
    const answer = await control.ask({ kind: 'worker', worker }, question, withinMs);
    called.isAsked = false;
    // What was heard while this node lost its own connection says nothing.
    if (this.#all.get(worker)?.get(incarnation) !== called || !control.connected) return;
    const now = clock.monotonic();
    const isThere = answer.kind === 'answer' && readRollCall(answer.payload)?.here === undefined;
    if (!isThere && nobodySince !== null) return this.#ended(called);
    called.nobodySince = isThere || answer.kind === 'timeout' ? null : now;
    called.answeredAt = now;
  }

  #ended({ worker, incarnation }: Called): void {
    this.#all.get(worker)?.delete(incarnation);
    this.#onEnded(worker, incarnation);
  }
}
