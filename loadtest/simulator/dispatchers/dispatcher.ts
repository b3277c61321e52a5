/** What a dispatching policy sees of a simulated fleet, and the events it gets. */
import type { TraceRequest } from '../../workloads/trace.ts';
import type { Agenda } from '../engine/agenda.ts';
import type { FluidEngine, Job } from '../engine/fluid-engine.ts';

export interface SimulatedFleet {
  readonly agenda: Agenda;
  readonly engines: readonly FluidEngine[];
  /** Requests a worker holds at once where it pulls. */
  readonly slots: number;
  /** Uniform in [0, 1), seeded. */
  readonly random: () => number;
  /** Hands a request to an engine. */
  send(request: TraceRequest, index: number, worker: number): Job;
  /** Its client gets an error in place of an answer. */
  refuse(request: TraceRequest, index: number): void;
}

export interface Dispatcher {
  arrive(request: TraceRequest, index: number): void;
  firstToken?(job: Job, worker: number): void;
  finished?(job: Job, worker: number): void;
  /** The worker's process ended. Nobody but the broker has noticed. */
  died?(worker: number): void;
  /** The worker is known to be gone; what it ran arrives anew. */
  lost?(worker: number): void;
}

export type DispatcherFactory = (fleet: SimulatedFleet) => Dispatcher;
