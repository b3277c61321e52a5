/** The doors of simulated ingress nodes, decided by what the product decides with ({@link FairDoor}). */
import { type Claimant, costOf, type DoorTold, FairDoor, nodeShare, sizeClassOf } from '@penstock/policy';
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
}

/** What the doors need of the rest. */
export interface BehindDoors {
  readonly agenda: Agenda;
  readonly workers: () => number;
  /** See {@link DoorView.starts}. */
  readonly starts: (promptTokens: number) => number;
  /** Puts a request on the queue. */
  readonly send: (request: TraceRequest, index: number) => void;
}

interface AtDoor extends Claimant {
  readonly request: TraceRequest;
  readonly index: number;
  readonly node: SimulatedNode;
}

interface SimulatedNode {
  readonly door: FairDoor<AtDoor>;
  /** What the other nodes told last. */
  others: readonly DoorTold[];
}

/** How often nodes tell each other what waits at them, and look whether there is room, ms. */
const TELL_MS = 1000;
const LOOK_MS = 100;
const WAY_MS = 20;

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
    this.#nodes = Array.from({ length: nodes }, () => ({ door: new FairDoor<AtDoor>(), others: [] }));
    this.#looking = new Timer(() => this.#look());
  }

  arrive(request: TraceRequest, index: number): void {
    const { nodes, nodeOf = (_, at) => at % nodes, weightOf = () => 1 } = this.#o;
    const node = this.#nodes[nodeOf(request, index)];
    if (node === undefined) throw new RangeError(`request ${index} arrives at no node`);
    const { owner = '', inputTokens, outputTokens } = request;
    const [kind, cost] = [sizeClassOf(inputTokens), costOf(inputTokens, outputTokens)];
    const item = { request, index, node, owner, kind, weight: weightOf(owner), cost };
    this.#open.set(index, item);
    node.door.arrive(item);
    this.#pass(node);
    if (this.#looking.index < 0) this.#agenda.set(this.#looking, this.#now + LOOK_MS);
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
    for (const node of this.#nodes) this.#pass(node);
    if (this.#open.size > 0) this.#agenda.set(this.#looking, this.#now + LOOK_MS);
  }

  #tell(): void {
    this.#toldAt = this.#now;
    const told = this.#nodes.map(({ door }) => door.told);
    for (const [at, node] of this.#nodes.entries()) node.others = told.filter((_, other) => other !== at);
  }

  #pass({ door, others }: SimulatedNode): void {
    if (door.waiting.size === 0) return;
    const node = nodeShare(door.told, others);
    const { workers, starts, send } = this.#behind;
    const view = {
      ...{ now: this.#now, node, workers: workers() },
      starts: ({ request }: AtDoor) => starts(request.inputTokens),
    };
    for (let next = door.next(view); next !== null; next = door.next(view)) send(next.request, next.index);
  }
}
