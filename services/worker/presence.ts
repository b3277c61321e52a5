/** Announces this worker to the fleet once a second. */
import { HEARTBEAT_MS } from '@penstock/policy';
import { encodeMessage, type Heartbeat, type WorkerReport } from '@penstock/protocol';
import type { ControlChannel } from '@penstock/transport';

/** What a heartbeat says that changes while the worker runs. */
export interface Vitals
  extends Pick<
    Heartbeat,
    'models' | 'slots' | 'waitS' | 'tokensPerSec' | 'load' | 'cacheTokens' | 'cacheCapacity'
  > {
  /** Why it cannot serve now; null where it can. */
  readonly trouble: 'engine_sick' | 'cut_off' | null;
  readonly report: Omit<WorkerReport, 'resting'>;
}

export interface PresenceOptions {
  readonly worker: string;
  /** Identifies this process, see {@link Heartbeat.incarnation}. */
  readonly incarnation: string;
  readonly region: string;
  /** Absent for none. */
  readonly pool?: string | undefined;
  readonly shard: number;
  readonly control: Pick<ControlChannel, 'send'>;
  readonly vitals: () => Vitals;
}

export class Presence {
  readonly #o: PresenceOptions;
  #timer: NodeJS.Timeout | null = null;
  #isDraining = false;
  #isDrained = false;

  constructor(options: PresenceOptions) {
    this.#o = options;
  }

  /** Nothing new is taken, because the process ends or an operator said so. */
  get isResting(): boolean {
    return this.#isDraining || this.#isDrained;
  }

  /** The timer is not tied to the probes of the engine: an engine that hangs must not make its worker look dead. */
  start(): void {
    this.#timer = setInterval(() => this.beat(), HEARTBEAT_MS);
  }

  /** Sends a heartbeat now, for a change that should not wait for the next one. */
  beat(): void {
    this.#send(false);
  }

  /** Announces at once that the worker takes nothing new, so that work bound to it is released. */
  drain(): void {
    this.#isDraining = true;
    this.beat();
  }

  /** An operator says whether it may take work. */
  order(drain: boolean): void {
    if (drain === this.#isDrained) return;
    this.#isDrained = drain;
    this.beat();
  }

  /** Sends the last heartbeat. */
  leave(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#send(true);
  }

  #whyResting(trouble: Vitals['trouble']): WorkerReport['resting'] {
    if (this.#isDraining) return 'draining';
    if (this.#isDrained) return 'drained';
    return trouble;
  }

  #send(leaving: boolean): void {
    const { worker, incarnation, region, pool, shard, control } = this.#o;
    const { trouble, report, ...vitals } = this.#o.vitals();
    const resting = this.#whyResting(trouble);
    const heartbeat: Heartbeat = {
      ...{ v: 1, keyed: true, worker, pool, incarnation, shard, pulling: resting === null, leaving },
      ...{ ...vitals, report: { ...report, resting } },
    };
    control.send({ kind: 'heartbeat', region, worker }, encodeMessage(heartbeat));
  }
}
