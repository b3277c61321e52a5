import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fleet } from '@penstock/fleet';
import {
  type ControlAddress,
  controlSubject,
  DispatchError,
  encodeEnvelope,
  encodePacket,
  type FrameKind,
  type QueueAddress,
  subjectOf,
} from '@penstock/protocol';
import { DroppedMessages, type Logger } from '@penstock/runtime';
import type { WorkQueue } from '@penstock/transport';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import type { TokenEstimates } from '../intake/token-estimates.ts';
import { emptyIngressMetrics } from '../metrics.fixture.ts';
import type { Affinity } from '../placement/affinity.ts';
import type { ReplySink } from '../replies/reply-sink.ts';
import type { Conversion } from './conversion.ts';
import type { NewRequest } from './open-request.ts';
import { OpenRequests } from './open-requests.ts';
import { ADDRESS } from './transition.fixture.ts';

interface Made {
  readonly sink?: Partial<ReplySink>;
  readonly publish?: () => Promise<void>;
  readonly conversion?: Conversion;
}

/** One open request `r1`, with everything around it made up. */
function openOne({ sink = {}, publish, conversion }: Made = {}) {
  let nowMs = 0;
  const done: string[] = [];
  let isStranded = false;
  let wallMs = 0;
  const queue = {
    send: (to: ControlAddress, payload: Uint8Array) =>
      done.push(`${controlSubject(to)} ${Buffer.from(payload)}`),
    settle: (ack: string, how: string) => done.push(`${how} ${ack}`),
    purge: (address: QueueAddress) => done.push(`purge ${subjectOf(address)}`),
    read: async () => encodeEnvelope(workMeta(), Buffer.from('{}')),
    publish: publish ?? (async () => {}),
    isAckOf: (_address: QueueAddress, ack: string) => ack.startsWith('ack-'),
  } as unknown as WorkQueue;
  const fleet = {
    ...{ hearQuote() {}, hearFrom() {}, sweep() {}, isLost: () => false, shardFor: () => 1 },
    ...{ isMember: () => true, isKeyless: () => false },
    isWithdrawn: () => false,
    isAbandoned: () => false,
    isStranded: () => isStranded,
  } as unknown as Fleet;
  const log = { warn() {}, error() {} } as unknown as Logger;
  const told: string[] = [];
  const events = (bytes: Buffer) => void told.push(`${bytes}`);
  const reply: ReplySink = {
    ...{ events, end: events, result: (_meta, body) => events(body), waiting() {} },
    error: error => void told.push(`error ${error.code}`),
    ...sink,
  };
  const open = new OpenRequests({
    ...{ queue, fleet, log, region: 'eu', ackWaitMs: 1000, dropped: new DroppedMessages() },
    clock: { now: () => wallMs, monotonic: () => nowMs },
    metrics: emptyIngressMetrics(),
    affinity: { learn() {}, hear() {} } as unknown as Affinity,
    estimates: { hear() {} } as unknown as TokenEstimates,
    claims: {
      discard: async ({ id, claim }) => void (claim && done.push(`discard ${id}`)),
      sealed: async (_project, work) => work,
      opened: frame => frame,
      forget() {},
    },
    runPasses: { add() {} },
    ...{ doors: null, boundWaitMs: 10, holdMs: 1000, deadLetter: async () => void done.push('dead letter') },
  });
  const request: NewRequest = {
    ...{ id: 'r1', key: KEY_OF_R1, slug: 'm', address: ADDRESS, bound: null, lookup: null, estimate: null },
    ...{ unsent: null, door: null },
    ...{ endpoint: 'chat', continuable: true, streamed: true },
    ...{ deadlineAt: 1e9, sink: reply, conversion: conversion ?? null },
  };
  open.add(request);
  const hear = (kind: FrameKind, seq: number, body = '') => {
    const meta = {
      accepted: { ack: 'ack-1', waitMs: 0, key: KEY_OF_R1 },
      result: { status: 200, contentType: 'x' },
    };
    const text = JSON.stringify(meta[kind as keyof typeof meta] ?? {});
    const frame = { id: 'r1', attempt: 1, nonce: 7, seq, kind, meta: text, body: Buffer.from(body) };
    open.onPacket(encodePacket('w-1', { waitMs: 0, tokensPerSec: 0, cacheTokens: 0 }, [frame]));
  };
  const tickAt = (ms: number, wall = ms) => {
    [nowMs, wallMs] = [ms, wall];
    open.tick();
  };
  return { open, hear, done, told, tickAt, strand: () => (isStranded = true) };
}
const KEY_OF_R1 = 'key-of-the-message-1';
const settle = () => new Promise(resolve => setImmediate(resolve));
const STOP = 'ctl.worker.w-1 {"cancel":"r1","attempt":1,"nonce":7}';

test('an answer is shown, then its delivery is acked', () => {
  const { open, hear, done, told } = openOne();
  hear('accepted', 0);
  hear('events', 1, 'One');
  hear('end', 2, ' two');
  assert.deepEqual([told, done, open.size], [['One', ' two'], ['ack ack-1'], 0]);
});

test('a body that comes in parts is shown whole, also with another one behind it', () => {
  const { open, hear, done, told } = openOne();
  hear('accepted', 0);
  hear('part', 1, 'O');
  hear('part', 2, 'n');
  hear('part', 2, 'n');
  assert.deepEqual(told, []);
  hear('events', 3, 'e');
  hear('events', 4, ' two');
  hear('part', 5, ' th');
  hear('end', 6, 'ree');
  assert.deepEqual([told, done, open.size], [['One', ' two', ' three'], ['ack ack-1'], 0]);
});

test('an answer of which a part was lost is asked for again, and what came of it is not shown', () => {
  const { hear, done, told } = openOne();
  hear('accepted', 0);
  hear('part', 1, '{');
  hear('result', 3, '}');
  assert.deepEqual([told, done], [[], [STOP, 'nak ack-1']]);
  hear('result', 4, '}');
  assert.deepEqual(told, []);
});

test('an attempt of which frames were lost is stopped and tried again', () => {
  const { hear, done, told } = openOne();
  hear('accepted', 0);
  hear('events', 2, 'two');
  assert.deepEqual(done, [STOP, 'nak ack-1']);
  assert.deepEqual(told, []);
});

test('events that the reply cannot be made of stop the attempt and end the request with an error', async () => {
  const { open, hear, done, told } = openOne({
    sink: {
      events() {
        throw new SyntaxError('no JSON');
      },
    },
  });
  hear('accepted', 0);
  hear('events', 1, 'oops');
  await settle();
  assert.deepEqual(told, ['error engine_error']);
  assert.deepEqual([done, open.size], [[STOP, 'dead letter', 'term ack-1'], 0]);
});

test('a whole answer that the reply cannot be made of is asked for again', () => {
  const { open, hear, done, told } = openOne({
    sink: {
      result() {
        throw new SyntaxError('no JSON');
      },
    },
  });
  hear('accepted', 0);
  hear('result', 1, '{oops}');
  assert.deepEqual([told, done.at(-1), open.size], [[], 'nak ack-1', 1]);
});

test('a deadline is a time from now, however the wall clock is set', () => {
  const { told, tickAt } = openOne();
  tickAt(0, 2e9);
  assert.deepEqual(told, []);
  tickAt(1e9, 0);
  assert.deepEqual(told, ['error deadline_exceeded']);
});

test('a request that moves between shards and is refused there ends with an error', async () => {
  const publish = () => Promise.reject(new DispatchError('broker_unavailable'));
  const { open, told, strand } = openOne({ publish });
  strand();
  open.tick();
  await settle();
  assert.deepEqual([told, open.size], [['error broker_unavailable'], 0]);
});

/** A converted call that moves between shards; the queue refuses it there. @param sendAway how its client is answered. */
async function convertedInTransit(sendAway: () => Promise<void>) {
  const publishing = Promise.withResolvers<void>();
  const failed: string[] = [];
  const conversion = {
    run: { deadlineAt: 2e9, log: 'deltas' },
    ...{ record: async () => {}, sendAway },
    fail: async (_attempt: object, error: DispatchError) => void failed.push(error.code),
  } as unknown as Conversion;
  const { open, tickAt, strand, told } = openOne({ publish: () => publishing.promise, conversion });
  strand();
  open.tick();
  await settle();
  tickAt(1000);
  await settle();
  publishing.reject(new DispatchError('broker_unavailable'));
  await settle();
  return { open, failed, told };
}

test('a converted call that is refused while it changes shards ends with the error in its record', async () => {
  const answering = await convertedInTransit(() => new Promise(() => {}));
  assert.deepEqual([answering.failed, answering.told], [['broker_unavailable'], []]);
  assert.equal(answering.open.size, 0);
  const answered = await convertedInTransit(async () => {});
  assert.deepEqual([answered.failed, answered.told], [['broker_unavailable'], []]);
  assert.equal(answered.open.size, 0);
});

test('a client that leaves while it is being sent away leaves no record behind', async () => {
  const records: string[] = [];
  const conversion = {
    run: { deadlineAt: 1e9 },
    record: async () => void records.push('made'),
    sendAway: () => new Promise<void>(() => {}),
    undo: async () => void records.push('forgotten'),
  } as unknown as Conversion;
  const { open, hear, done, tickAt } = openOne({ conversion });
  hear('accepted', 0);
  tickAt(1000);
  await settle();
  assert.deepEqual(records, ['made']);
  open.left('r1');
  await settle();
  assert.deepEqual([records, open.size], [['made', 'forgotten'], 0]);
  assert.ok(done.includes(STOP));
});

test('a worker hears which of what it runs nobody wants, and that the rest is wanted', () => {
  const { open, hear } = openOne();
  hear('accepted', 0);
  const ask = (...running: [id: string, nonce: number][]) =>
    open.unwanted({
      ...{ worker: 'w-1', incarnation: 'p1' },
      running: running.map(([id, nonce]) => ({ id, nonce, attempt: 1 })),
    });
  assert.deepEqual(ask(['r1', 7], ['r2', 8]), ['r2']);
  assert.deepEqual(ask(['r1', 9]), ['r1']);
  open.cancel('r1');
  assert.deepEqual(ask(['r1', 7]), ['r1']);
});
