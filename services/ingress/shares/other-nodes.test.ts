import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoorTold } from '@penstock/policy';
import { type ControlAddress, controlSubject, MOST_DOOR_PROJECTS, readDoorStatus } from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import { OtherNodes } from './other-nodes.ts';

type Hear = (payload: Uint8Array, reply: (answer: Uint8Array) => void, from: string) => void;

/** Nodes that hear each other. */
function startNodes(names: readonly string[]) {
  let nowMs = 0;
  const listeners: Hear[] = [];
  const subjects: string[] = [];
  const sent: Uint8Array[] = [];
  const dropped = new DroppedMessages();
  const control = {
    listen: (_: object, hear: Hear) => void listeners.push(hear),
    send: (to: ControlAddress, payload: Uint8Array) => {
      subjects.push(controlSubject(to));
      sent.push(payload);
      if (to.kind === 'doors') for (const hear of listeners) hear(payload, () => {}, to.ingress);
    },
  };
  const clock = { monotonic: () => nowMs };
  const nodes = names.map(
    ingressId => new OtherNodes({ ...{ ingressId, region: 'eu', control, clock, dropped } }),
  );
  const speak = (from: string, payload: Uint8Array) => listeners[0]?.(payload, () => {}, from);
  return { nodes, subjects, sent, dropped, speak, pass: (ms: number) => (nowMs += ms) };
}

function doorOf(waiting: Readonly<Record<string, number>>, onTheWay = 0): ReadonlyMap<string, DoorTold> {
  const all = Object.entries(waiting).map(
    ([owner, count]) => [owner, { weight: 1, waiting: count }] as const,
  );
  return new Map([
    ['m', { waiting: new Map(all), onTheWay: new Map([['short', onTheWay]]), pace: new Map() }],
  ]);
}

test('nothing is told as long as nothing waits anywhere', () => {
  const { nodes, subjects } = startNodes(['in-1', 'in-2']);
  for (const node of nodes) node.tell(doorOf({}, 5));
  assert.deepEqual(subjects, []);
});

test('a node with a backlog is heard by the others, which tell what they have on the way', () => {
  const { nodes, subjects } = startNodes(['in-1', 'in-2']);
  const [one, two] = nodes;
  one?.tell(doorOf({ proj_a: 7, proj_b: 1 }, 2));
  two?.tell(doorOf({}, 5));
  assert.deepEqual(subjects, ['door.eu.in-1', 'door.eu.in-2']);
  assert.deepEqual(one?.of('m'), [...doorOf({}, 5).values()]);
  assert.deepEqual(two?.of('m'), [...doorOf({ proj_a: 7, proj_b: 1 }, 2).values()]);
  assert.deepEqual(two?.of('other'), []);
});

test('that nothing waits any more is told once; who says nothing is forgotten', () => {
  const { nodes, subjects, pass } = startNodes(['in-1', 'in-2']);
  const [one, two] = nodes;
  one?.tell(doorOf({ proj_a: 7 }));
  one?.tell(doorOf({}));
  one?.tell(doorOf({}));
  assert.deepEqual(subjects, ['door.eu.in-1', 'door.eu.in-1']);
  assert.deepEqual(two?.of('m'), []);
  one?.tell(doorOf({ proj_a: 7 }));
  pass(3001);
  two?.tell(doorOf({}));
  assert.deepEqual(two?.of('m'), []);
});

test('of many projects the largest are named, the rest is told as one', () => {
  const { nodes, sent } = startNodes(['in-1', 'in-2']);
  const many = Object.fromEntries(
    Array.from({ length: MOST_DOOR_PROJECTS + 3 }, (_, i) => [`proj_${i}`, i + 1]),
  );
  nodes[0]?.tell(doorOf(many));
  const [door] = readDoorStatus(sent[0] ?? new Uint8Array(), 'in-1')?.doors ?? [];
  assert.deepEqual(door?.rest, { weight: 3, waiting: 6 });
  assert.equal(door?.projects[0]?.waiting, MOST_DOOR_PROJECTS + 3);
  const told = nodes[1]?.of('m')[0]?.waiting;
  assert.deepEqual([told?.size, told?.get('')], [MOST_DOOR_PROJECTS + 1, { weight: 3, waiting: 6 }]);
});

test('what is wrong is dropped and counted, and nobody speaks for another one or for this node', () => {
  const { nodes, speak, dropped } = startNodes(['in-1']);
  const message = (ingress: string, weight = 1) =>
    Buffer.from(
      JSON.stringify({
        ...{ v: 1, ingress },
        doors: [
          {
            slug: 'm',
            projects: [{ project: 'proj_a', weight, waiting: 1e9 }],
            onTheWay: { short: 1 },
            pace: {},
          },
        ],
      }),
    );
  speak('in-2', message('in-3'));
  speak('in-2', message('in-2', 1e9));
  speak('in-2', Buffer.from('{'));
  assert.equal(dropped.of('status'), 3);
  speak('in-1', message('in-1'));
  assert.deepEqual([nodes[0]?.of('m'), dropped.of('status')], [[], 3]);
  speak('in-2', message('in-2'));
  assert.equal(nodes[0]?.of('m').length, 1);
});
