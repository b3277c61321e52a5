/**
 * What each role may publish and hear at nats-server, from the names that the adapters use: the one table of who needs which subject. A worker takes
 * work, settles it and tells of itself; consumers, dead letters and purges are others' (nats/control-role.ts).
 */
import {
  controlSubject,
  deadStream,
  deadStreamSubjects,
  workRegionSubjects,
  workStream,
} from '@penstock/protocol';
import { inboxOf } from '../nats/connection/servers.ts';
import type { Member, Role } from './roles.ts';

export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it may answer whoever asked it something, wherever that wants its answer. */
  readonly answers: boolean;
}

const ACCOUNT = '$JS.API.INFO';

export function natsPermissions(member: Member): NatsPermissions {
  const { subscribe, ...others } = TABLE[member.role](member);
  return { ...others, subscribe: [`${inboxOf(member.user)}.>`, ...subscribe] };
}

const TABLE: Readonly<Record<Role, (member: Member) => NatsPermissions>> = {
  ingress: member => ({
    publish: [
      ...queueing(member),
      ...streams(member, ['CREATE', 'UPDATE']),
      any('ingress_status', member),
      any('ingress', member),
    ],
    subscribe: [
      ...elections(member),
      ...telling(member),
      any('ingress', member),
      control(member),
      ended(member),
    ],
    answers: true,
  }),
  worker: member => ({
    publish: [
      ACCOUNT,
      ...workStreams(member).flatMap(stream => [`$JS.API.CONSUMER.MSG.NEXT.${stream}.*`, ...acks(stream)]),
      member.worker === null
        ? any('heartbeat', member)
        : controlSubject({ kind: 'heartbeat', region: member.region, worker: member.worker }),
      any('ingress', member),
      control(member),
      ended(member),
    ],
    subscribe: [
      ...elections(member),
      member.worker === null
        ? any('worker', member)
        : controlSubject({ kind: 'worker', worker: member.worker }),
    ],
    answers: true,
  }),
  tasks: member => ({
    publish: queueing(member),
    subscribe: [...elections(member), ...telling(member), ended(member)],
    answers: true,
  }),
  scaler: member => ({
    publish: [
      ACCOUNT,
      ...streams(member, ['INFO']),
      // When what waits longest came is in its message alone.
      ...workStreams(member).flatMap(stream => [
        `$JS.API.CONSUMER.LIST.${stream}`,
        `$JS.API.STREAM.MSG.GET.${stream}`,
      ]),
      any('worker', member),
    ],
    subscribe: [...elections(member), ...telling(member)],
    answers: false,
  }),
  console: member => operating(member),
  operator: member => operating(member),
};

/** Looks at everything, and moves dead letters: theirs is the whole stream of these. */
function operating(member: Member): NatsPermissions {
  return {
    publish: [...queueing(member), ...consumers(deadStream(member.region))],
    subscribe: [...elections(member), ...telling(member), ended(member)],
    answers: true,
  };
}

/** Puts work into queues, looks into them, makes and empties them. */
function queueing(member: Member): string[] {
  return [
    ACCOUNT,
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.NAMES',
    ...streams(member, ['INFO', 'MSG.GET', 'MSG.DELETE', 'PURGE']),
    ...workStreams(member).flatMap(stream => [...consumers(stream), ...acks(stream)]),
    workRegionSubjects(member.region),
    deadStreamSubjects(member.region),
    any('worker', member),
    ended(member),
  ];
}

function streams(member: Member, verbs: readonly string[]): string[] {
  const all = [...workStreams(member), deadStream(member.region)];
  return all.flatMap(stream => verbs.map(verb => `$JS.API.STREAM.${verb}.${stream}`));
}

function consumers(stream: string): string[] {
  return [
    `$JS.API.CONSUMER.LIST.${stream}`,
    `$JS.API.CONSUMER.NAMES.${stream}`,
    ...['CREATE', 'DURABLE.CREATE', 'INFO', 'DELETE', 'MSG.NEXT'].map(
      verb => `$JS.API.CONSUMER.${verb}.${stream}.>`,
    ),
    `$JS.API.CONSUMER.CREATE.${stream}`,
  ];
}

function workStreams({ region, shards }: Member): string[] {
  return Array.from({ length: shards }, (_, shard) => workStream(region, shard));
}

/** With the account in the subject as a later nats-server writes it, too. */
function acks(stream: string): string[] {
  return [`$JS.ACK.${stream}.>`, `$JS.ACK.*.*.${stream}.>`];
}

function elections(member: Member): string[] {
  return workStreams(member).map(stream => `$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.${stream}.*`);
}

/** What workers and ingress nodes tell of themselves. */
function telling({ region }: Member): string[] {
  return [
    controlSubject({ kind: 'heartbeats', region }),
    controlSubject({ kind: 'ingress_statuses', region }),
  ];
}

function control({ region }: Member): string {
  return controlSubject({ kind: 'control', region });
}

function ended({ region }: Member): string {
  return controlSubject({ kind: 'run_ended', region });
}

/** The subject of any process of a kind: its name is the last word. */
function any(kind: 'heartbeat' | 'ingress_status' | 'worker' | 'ingress', { region }: Member): string {
  const subject = controlSubject({ kind, region, worker: 'x', ingress: 'x' });
  return subject.replace(/x$/, '*');
}
