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
  // Makes streams, and consumers for workers; settles interactive work, keeps what died, and deletes that with what it is part of.
  ingress: member => ({
    publish: [
      ACCOUNT,
      ...ofStreams(workStreams(member), ['CREATE', 'UPDATE', 'INFO', 'MSG.GET', 'MSG.DELETE', 'PURGE']),
      ...ofStreams([deadStream(member.region)], ['CREATE', 'UPDATE', 'INFO', 'MSG.GET', 'PURGE']),
      ...workStreams(member).flatMap(stream => [...ofConsumers(stream, ['CREATE', 'INFO']), ...acks(stream)]),
      workRegionSubjects(member.region),
      deadStreamSubjects(member.region),
      any('worker', member),
      any('ingress_status', member),
      any('doors', member),
      any('ingress', member),
      ended(member),
    ],
    subscribe: [
      ...elections(member),
      ...telling(member),
      controlSubject({ kind: 'all_doors', region: member.region }),
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
  // Queues batches, takes over what is stranded, withdrawn or undelivered, and makes consumers that the broker forgot.
  tasks: member => ({
    publish: [
      ACCOUNT,
      '$JS.API.STREAM.LIST',
      ...ofStreams(workStreams(member), ['INFO', 'MSG.GET', 'MSG.DELETE']),
      ...ofStreams([deadStream(member.region)], ['INFO', 'MSG.GET']),
      ...workStreams(member).flatMap(stream => [
        `$JS.API.CONSUMER.LIST.${stream}`,
        ...ofConsumers(stream, ['CREATE', 'INFO', 'MSG.NEXT']),
        ...acks(stream),
      ]),
      workRegionSubjects(member.region),
      any('worker', member),
      ended(member),
    ],
    subscribe: [...elections(member), ...telling(member), ended(member)],
    answers: false,
  }),
  scaler: member => ({
    publish: [
      ACCOUNT,
      ...ofStreams([...workStreams(member), deadStream(member.region)], ['INFO']),
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
  // As an operator, and looks into the queues and orders workers.
  console: member => ({
    publish: [
      ...operating(member),
      ...ofStreams(workStreams(member), ['MSG.GET']),
      ...workStreams(member).flatMap(stream => ofConsumers(stream, ['INFO'])),
      any('worker', member),
    ],
    subscribe: [...elections(member), ...telling(member)],
    answers: false,
  }),
  operator: member => ({ publish: operating(member), subscribe: elections(member), answers: false }),
};

/** Looks at dead letters, deletes them and queues them again. */
function operating(member: Member): string[] {
  const dead = deadStream(member.region);
  return [
    ACCOUNT,
    ...ofStreams(workStreams(member), ['INFO']),
    ...ofStreams([dead], ['INFO', 'MSG.GET', 'PURGE']),
    ...ofConsumers(dead, ['CREATE', 'INFO', 'MSG.NEXT', 'DELETE']),
    `$JS.API.CONSUMER.CREATE.${dead}`,
    workRegionSubjects(member.region),
  ];
}

function ofStreams(streams: readonly string[], verbs: readonly string[]): string[] {
  return streams.flatMap(stream => verbs.map(verb => `$JS.API.STREAM.${verb}.${stream}`));
}

function ofConsumers(stream: string, verbs: readonly string[]): string[] {
  return verbs.map(verb => `$JS.API.CONSUMER.${verb}.${stream}.>`);
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
function any(
  kind: 'heartbeat' | 'ingress_status' | 'doors' | 'worker' | 'ingress',
  { region }: Member,
): string {
  const subject = controlSubject({ kind, region, worker: 'x', ingress: 'x' });
  return subject.replace(/x$/, '*');
}
