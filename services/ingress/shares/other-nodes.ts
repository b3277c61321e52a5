/**
 * What other ingress nodes told of their doors, and what this one tells them: once a second, and only while something waits at any of them. A node
 * that has told is believed for as long as it may miss two messages.
 */
import type { DoorTold, OwnersWaiting } from '@penstock/policy';
import {
  type DoorOfNode,
  encodeMessage,
  MOST_DOOR_PROJECTS,
  MOST_DOORS,
  MOST_WEIGHT,
  readDoorStatus,
  type SizeClass,
} from '@penstock/protocol';
import type { Clock, DroppedMessages } from '@penstock/runtime';
import type { ControlChannel } from '@penstock/transport';

/** What a node told counts for so long, ms. */
const BELIEVED_MS = 3000;
/** Far more than a region has, so that no number of made-up names takes all memory. */
const MOST_NODES = 1024;
/** All projects of a door that are not named, as one. No project has this name. */
const REST = '';

export interface OtherNodesOptions {
  readonly ingressId: string;
  readonly region: string;
  readonly control: Pick<ControlChannel, 'listen' | 'send'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly dropped: DroppedMessages;
}

interface Heard {
  readonly doors: ReadonlyMap<string, DoorTold>;
  readonly isWaiting: boolean;
  /** Monotonic ms. */
  readonly at: number;
}

const NOBODY: readonly DoorTold[] = [];

export class OtherNodes {
  readonly #o: OtherNodesOptions;
  readonly #heard = new Map<string, Heard>();
  /** The last message of this node said that something waits. */
  #hasToldOfWaiting = false;

  constructor(options: OtherNodesOptions) {
    this.#o = options;
    const { control, region, dropped } = options;
    control.listen({ kind: 'all_doors', region }, (payload, _reply, from) => {
      if (!this.#hear(payload, from)) dropped.count('status');
    });
  }

  /** What the others told of the door of a queue. */
  of(slug: string): readonly DoorTold[] {
    if (this.#heard.size === 0) return NOBODY;
    return [...this.#heard.values()].flatMap(({ doors }) => doors.get(slug) ?? []);
  }

  /** Once a second. @param doors of this node, by queue. */
  tell(doors: ReadonlyMap<string, DoorTold>): void {
    this.#forget();
    const isWaiting = [...doors.values()].some(({ waiting }) => waiting.size > 0);
    const isAsked = [...this.#heard.values()].some(other => other.isWaiting);
    // Once more when nothing waits any more: what was this node's share is the others' then.
    if (!isWaiting && !isAsked && !this.#hasToldOfWaiting) return;
    this.#hasToldOfWaiting = isWaiting;
    const { control, region, ingressId: ingress } = this.#o;
    const message = { v: 1 as const, ingress, doors: toldDoors(doors) };
    control.send({ kind: 'doors', region, ingress }, encodeMessage(message));
  }

  #hear(payload: Uint8Array, from: string): boolean {
    if (from === this.#o.ingressId) return true;
    const status = readDoorStatus(payload, from);
    if (status === null || (this.#heard.size >= MOST_NODES && !this.#heard.has(from))) return false;
    const doors = new Map(status.doors.map(door => [door.slug, toTold(door)]));
    const isWaiting = [...doors.values()].some(({ waiting }) => waiting.size > 0);
    this.#heard.set(from, { doors, isWaiting, at: this.#o.clock.monotonic() });
    return true;
  }

  #forget(): void {
    const now = this.#o.clock.monotonic();
    for (const [name, { at }] of this.#heard) if (now - at > BELIEVED_MS) this.#heard.delete(name);
  }
}

function toldDoors(doors: ReadonlyMap<string, DoorTold>): DoorOfNode[] {
  const told = [...doors].map(([slug, door]) => ({ door: toDoor(slug, door), size: sizeOf(door) }));
  return told
    .filter(({ size }) => size > 0)
    .sort((a, b) => b.size - a.size)
    .slice(0, MOST_DOORS)
    .map(({ door }) => door);
}

function sizeOf({ waiting, onTheWay }: DoorTold): number {
  const waits = [...waiting.values()].reduce((sum, each) => sum + each.waiting, 0);
  return [...onTheWay.values()].reduce((sum, count) => sum + count, waits);
}

function toDoor(slug: string, { waiting, onTheWay, pace }: DoorTold): DoorOfNode {
  const all = [...waiting].sort(([, a], [, b]) => b.waiting - a.waiting);
  const rest = all.slice(MOST_DOOR_PROJECTS).map(([, each]) => each);
  return {
    slug,
    projects: all.slice(0, MOST_DOOR_PROJECTS).map(([project, each]) => ({ project, ...each })),
    rest: rest.length === 0 ? null : rest.reduce(plus),
    onTheWay: bySize(onTheWay),
    pace: bySize(pace),
  };
}

function bySize(counts: ReadonlyMap<string, number>): Partial<Record<SizeClass, number>> {
  return Object.fromEntries(counts);
}

function plus(a: OwnersWaiting, b: OwnersWaiting): OwnersWaiting {
  return { weight: a.weight + b.weight, waiting: a.waiting + b.waiting };
}

function toTold({ projects, rest, onTheWay, pace }: DoorOfNode): DoorTold {
  const waiting = new Map<string, OwnersWaiting>();
  for (const { project, weight, waiting: count } of projects)
    if (count > 0) waiting.set(project, { weight, waiting: count });
  // Weights beyond those of as many projects as a node can have are made up.
  if (rest !== null && rest.waiting > 0)
    waiting.set(REST, { ...rest, weight: Math.min(rest.weight, MOST_WEIGHT * rest.waiting) });
  return { waiting, onTheWay: new Map(Object.entries(onTheWay)), pace: new Map(Object.entries(pace)) };
}
