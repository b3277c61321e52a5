/** The doors of simulated ingress nodes, decided by what the product decides with ({@link FairDoor}). */
import {
  AdmissionDoor,
  costOf,
  DOOR_LOOK_MS,
  type DoorTold,
  decideAdmission,
  nodeShare,
  type Patient,
  type PatientView,
  sizeClassOf,
} from '@penstock/policy';
import type { TraceRequest } from '../../workloads/trace.ts';
import { type Agenda, Timer } from '../engine/agenda.ts';

export interface DoorsOptions {
  readonly nodes: number;
  /** At which of them a request arrives, from 0. Default: one after the other. */
  readonly nodeOf?: (request: TraceRequest, index: number) => number;
  /** Default 1. */
  readonly weightOf?: (owner: string) => number;
  /** From when an engine says its first token until its ingress has put another request on the queue, ms. Default 20. */
  readonly wayMs?: number;
  /** What becomes of requests whose clients do not wait for ever. Default: they do. */
  readonly patience?: PatienceOptions | null;
}

export interface PatienceOptions {
  /**
   * `leave`: all are queued, and leave when they have waited for too long. `estimate`: refused at once where that is what the estimate says, and
   * later where it has become hopeless, as in the product.
   */
  readonly kind: 'leave' | 'estimate';
  /** How long clients wait for the first token, s. */
  readonly seconds: number;
  /** Told the estimate for each request, s. */
  readonly estimated?: (index: number, seconds: number) => void;
}

/** What the doors need of the rest. */
export interface BehindDoors {
  readonly agenda: Agenda;
  readonly workers: () => number;
  readonly quotes: () => { readonly quotedS: number; readonly tokensPerSec: number };
  /** See {@link DoorView.starts}. */
  readonly starts: (promptTokens: number) => number;
  /** Puts a request on the queue. */
  readonly send: (request: TraceRequest, index: number) => void;
  readonly refuse: (request: TraceRequest, index: number) => void;
  /** Takes a request out of the queue. @returns false where a worker has it. */
  readonly withdraw: (index: number) => boolean;
}

interface AtDoor extends Patient {
  readonly request: TraceRequest;
  readonly index: number;
  readonly node: SimulatedNode;
}

interface SimulatedNode {
  readonly door: AdmissionDoor<AtDoor>;
  /** What the other nodes told last. */
  others: readonly DoorTold[];
}

/** How often nodes tell each other what waits at them, ms. */
const TELL_MS = 1000;
const WAY_MS = 20;
/** Adding up a thousand workers for each request is what the simulator would spend most of its time with. */
const NOT_ASKED = { quotedS: 0, tokensPerSec: 0 };

export class Doors {
  readonly #o: DoorsOptions;
  readonly #behind: BehindDoors;
  readonly #nodes: readonly SimulatedNode[];
  readonly #open = new Map<number, AtDoor>();
  readonly #looking: Timer;
  #toldAt = 0;

  constructor(options: DoorsOptions, behind: BehindDoors) {
    this.#o = options;
    this.#behind = behind;
    const { nodes } = options;
    this.#nodes = Array.from({ length: nodes }, () => ({ door: new AdmissionDoor<AtDoor>(), others: [] }));
    this.#looking = new Timer(() => this.#look());
  }

  arrive(request: TraceRequest, index: number): void {
    const item = this.#itemOf(request, index);
    const { door } = item.node;
    const view = this.#viewOf(item.node);
    if (this.#isRefused(item, view)) return this.#behind.refuse(request, index);
    this.#open.set(index, item);
    if (door.passes(item, view)) this.#behind.send(request, index);
    else {
      door.arrive(item, this.#now);
      this.#pass(item.node);
    }
    if (this.#looking.index < 0) this.#agenda.set(this.#looking, this.#now + DOOR_LOOK_MS);
  }

  #itemOf(request: TraceRequest, index: number): AtDoor {
    const { nodes, nodeOf = (_, at) => at % nodes, weightOf = () => 1, patience } = this.#o;
    const node = this.#nodes[nodeOf(request, index)];
    if (node === undefined) throw new RangeError(`request ${index} arrives at no node`);
    const { owner = '', inputTokens: promptTokens, outputTokens } = request;
    const [kind, cost] = [sizeClassOf(promptTokens), costOf(promptTokens, outputTokens)];
    const patientUntil = request.atMs + (patience?.seconds ?? Number.POSITIVE_INFINITY) * 1000;
    return { request, index, node, owner, kind, weight: weightOf(owner), cost, promptTokens, patientUntil };
  }

  #isRefused(item: AtDoor, view: PatientView<AtDoor>): boolean {
    const { patience = null } = this.#o;
    if (patience === null) return false;
    const forecast = item.node.door.forecast(item, view);
    patience.estimated?.(item.index, forecast.estimateS);
    if (patience.kind === 'leave') return false;
    const asked = { model: '', isServed: view.workers > 0, ...forecast };
    return decideAdmission({ asked, fallbacks: [], patienceS: patience.seconds }).kind === 'refuse';
  }

  /** An engine began it; its ingress hears of it a little later. */
  begun(index: number): void {
    const item = this.#open.get(index);
    if (item === undefined) return;
    this.#open.delete(index);
    const hear = () => {
      item.node.door.begun(item, this.#now);
      this.#pass(item.node);
    };
    this.#agenda.set(new Timer(hear), this.#now + (this.#o.wayMs ?? WAY_MS));
  }

  get #agenda(): Agenda {
    return this.#behind.agenda;
  }

  get #now(): number {
    return this.#agenda.now;
  }

  #look(): void {
    if (this.#now - this.#toldAt >= TELL_MS) this.#tell();
    for (const node of this.#nodes) {
      this.#giveUp(node, true);
      this.#pass(node);
    }
    if (this.#open.size > 0) this.#agenda.set(this.#looking, this.#now + DOOR_LOOK_MS);
  }

  #tell(): void {
    this.#toldAt = this.#now;
    const told = this.#nodes.map(({ door }) => door.told(this.#now));
    for (const [at, node] of this.#nodes.entries()) node.others = told.filter((_, other) => other !== at);
  }

  #pass(node: SimulatedNode): void {
    const { door } = node;
    if (door.waiting.size === 0) return;
    this.#giveUp(node, false);
    const view = this.#viewOf(node);
    for (let next = door.next(view); next !== null; next = door.next(view))
      this.#behind.send(next.request, next.index);
  }

  #giveUp(node: SimulatedNode, isThorough: boolean): void {
    const { patience = null } = this.#o;
    if (patience === null) return;
    if (patience.kind === 'leave' && !isThorough) return;
    for (const item of patience.kind === 'leave' ? this.#tooLate(node) : this.#lost(node, isThorough)) {
      node.door.leave(item);
      this.#open.delete(item.index);
      this.#behind.refuse(item.request, item.index);
    }
  }

  #lost(node: SimulatedNode, isThorough: boolean): AtDoor[] {
    const view = this.#viewOf(node);
    const waiting = node.door.lost(view, isThorough);
    if (!isThorough) return waiting;
    return [...waiting, ...node.door.lostOnTheWay(view).filter(({ index }) => this.#behind.withdraw(index))];
  }

  #tooLate({ door }: SimulatedNode): AtDoor[] {
    const { waiting } = door;
    const lines = waiting.kinds.flatMap(kind => [...waiting.lines(kind)]);
    return lines.flatMap(line => [...line].filter(({ patientUntil }) => patientUntil <= this.#now));
  }

  #viewOf({ door, others }: SimulatedNode): PatientView<AtDoor> {
    const { workers, starts, quotes } = this.#behind;
    return {
      ...{ now: this.#now, node: nodeShare(door.told(this.#now), others), workers: workers() },
      ...(this.#o.patience == null ? NOT_ASKED : quotes()),
      starts: ({ request }) => starts(request.inputTokens),
    };
  }
}
