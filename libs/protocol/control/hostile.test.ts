/** Whatever comes over a wire, its reader returns: a message in which everything is in its range, or that there is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileBytes, hostileJson } from '../hostile.fixture.ts';
import { ingressStatus } from '../ingress-status.fixture.ts';
import { readAckSubject } from '../wire/ack-subject.ts';
import { decodeEnvelope, encodeEnvelope, readEnvelope, UnreadableEnvelope } from '../wire/envelope.ts';
import { decodePacket, encodePacket } from '../wire/frame.ts';
import { readSubject } from '../wire/queue-address.ts';
import { isToken } from '../wire/token.ts';
import { workMeta } from '../work-meta.fixture.ts';
import {
  readCancel,
  readControlAnswer,
  readControlOrder,
  readDrainOrder,
  readResumeAnswer,
  readResumeQuestion,
  readRollCall,
  readRunningAnswer,
  readRunningQuestion,
  readWantedAnswer,
  readWantedQuestion,
} from './control-message.ts';
import { readDoorStatus } from './door-status.ts';
import { readHeartbeat, readModelInfo } from './heartbeat.ts';
import { readIngressStatus } from './ingress-status.ts';

const MODEL = {
  ...{ name: 'm', slug: 'm', created: 1, ownedBy: 'o', architecture: 'dense', endpoints: ['chat'] },
  ...{ maxModelLen: 4096, root: 'r', parent: 'p', withdrawnAt: 5 },
};
const REPORT = {
  running: 1,
  kvUse: 0.5,
  errorRate: 0,
  outputTokens: 5,
  resting: null,
  bids: { batch_any: 3 },
};
const HEARTBEAT = {
  ...{ v: 1, worker: 'w-1', incarnation: 'p1', models: [MODEL], shard: 0, slots: 8, keyed: true },
  ...{ pulling: true, leaving: false, waitS: 0.5, tokensPerSec: 9000, load: 0.25 },
  ...{ cacheTokens: 12, cacheCapacity: 100, report: REPORT },
};
const DOORS = {
  ...{ v: 1, ingress: 'in-1' },
  doors: [
    {
      slug: 'm',
      projects: [{ project: 'proj_a', weight: 2, waiting: 7 }],
      rest: { weight: 3, waiting: 5 },
      onTheWay: { short: 4 },
      pace: { short: 2.5 },
    },
  ],
};
const QUESTION = { id: 'r1', attempt: 2, worker: 'w-1', nonce: 7, ack: 'a', key: 'k'.repeat(20) };
const CONTINUE = {
  ...{ kind: 'continue', text: 'Hel', chunks: 1, tokens: 2, promptTokens: 3, finish: null },
  ...{ chunkId: 'c', created: 1 },
};
const NAMES = {
  requestId: 'x',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'a=b',
};
const META = workMeta({
  ...{ key: 'k'.repeat(20), names: NAMES, held: { 'w-1': 5 }, contentType: 'application/json', log: 'none' },
  ...{ run: { kind: 'job', tenant: 't', detail: '' }, claim: { digest: 'a'.repeat(64), bytes: 3 } },
});

const READERS: readonly (readonly [name: string, read: (bytes: Uint8Array) => unknown, good: object])[] = [
  ['heartbeat', bytes => readHeartbeat(bytes, 'w-1'), HEARTBEAT],
  ['model', readModelInfo, MODEL],
  ['status', bytes => readIngressStatus(bytes, 'in-1'), ingressStatus()],
  ['what waits at doors', bytes => readDoorStatus(bytes, 'in-1'), DOORS],
  ['question', readResumeQuestion, QUESTION],
  ['answer', readResumeAnswer, CONTINUE],
  ['cancel', readCancel, { cancel: 'r1', attempt: 1, nonce: 3 }],
  ['order', readDrainOrder, { drain: true }],
  ['call', readRollCall, { called: 'p1' }],
  [
    'what runs',
    readWantedQuestion,
    { running: [{ id: 'r1', attempt: 1, nonce: 3 }], worker: 'w-1', incarnation: '' },
  ],
  ['what is unwanted', readWantedAnswer, { unwanted: ['r1'] }],
  ['whether it runs', readRunningQuestion, { runs: 'r1', attempt: 1 }],
  ['whether it goes on', readRunningAnswer, { goesOn: true }],
  [
    'an order for a queue',
    readControlOrder,
    { do: 'queue', shard: 0, slug: 'm', lane: 'batch', size: 'any' },
  ],
  ['an order for what is bound', readControlOrder, { do: 'bound', shard: 0, worker: 'w-1' }],
  ['an order for a dead letter', readControlOrder, { do: 'dead', subject: 's', code: 'c', message: 'm' }],
  ['whether an order is done', readControlAnswer, { done: true }],
];

/** Names of fields that become part of a subject, a key or a header. */
const TOKENS = ['worker', 'ingress', 'slug', 'id', 'from', 'cancel', 'runs'];

function assertSane(value: unknown, where: string): void {
  if (typeof value === 'number') assert.ok(Number.isFinite(value), where);
  if (typeof value !== 'object' || value === null) return;
  const prototype = Object.getPrototypeOf(value);
  assert.ok(
    prototype === null || prototype === Object.prototype || Array.isArray(value) || Buffer.isBuffer(value),
    where,
  );
  if (Buffer.isBuffer(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    if (TOKENS.includes(key)) assert.ok(isToken(String(inner)), `${where}: ${key}`);
    assertSane(inner, `${where}.${key}`);
  }
}

for (const [name, read, good] of READERS)
  test(`whatever is sent as ${name} is read, or is none`, () => {
    assert.ok(read(Buffer.from(JSON.stringify(good))) !== null, 'the good one is read');
    for (const bytes of hostileJson(good)) assertSane(read(bytes), bytes.toString('latin1', 0, 200));
    assert.equal(read(Buffer.alloc(80 * 1024 * 1024, ' ')), null, 'one that is too long is not parsed');
    assert.equal(({} as { a?: number }).a, undefined);
  });

test('whatever is queued is read, or refused as unreadable; nothing in it can end a header', () => {
  assert.ok(readEnvelope(encodeEnvelope(META, Buffer.from('{}'))));
  for (const line of hostileJson(META)) {
    const bytes = Buffer.concat([line, Buffer.from('\n{}')]);
    try {
      const { meta } = decodeEnvelope(bytes);
      assertSane(meta, bytes.toString('latin1', 0, 300));
      for (const text of [meta.contentType, ...Object.values(meta.names ?? {})])
        assert.ok(text === undefined || /^[\x20-\x7e]*$/.test(text));
    } catch (err) {
      if (!(err instanceof UnreadableEnvelope)) throw err;
    }
    assert.doesNotThrow(() => readEnvelope(line));
  }
});

test('a packet that is no packet throws an error of its own, which its one caller catches', () => {
  const meta = JSON.stringify({ ack: 'a', waitMs: 0 });
  const frame = {
    id: 'r1',
    attempt: 1,
    nonce: 3,
    seq: 0,
    kind: 'accepted',
    meta,
    body: Buffer.alloc(9),
  } as const;
  const good = encodePacket('w-1', { waitMs: 1, tokensPerSec: 1, cacheTokens: 1 }, [frame, frame]);
  for (let seed = 1; seed < 20; seed++)
    for (const bytes of hostileBytes(good, seed))
      try {
        assertSane(decodePacket(bytes), bytes.toString('hex'));
      } catch (err) {
        assert.match((err as Error).message, /packet|frame/);
      }
});

test('only what a broker makes is an ack subject, and it is of its own stream and consumer', () => {
  const own = { stream: 'WORK_eu_0', consumer: 'm_interactive_short', deliveryCount: 2 };
  assert.deepEqual(
    readAckSubject('$JS.ACK.WORK_eu_0.m_interactive_short.2.17.18.1764000000000000000.3'),
    own,
  );
  assert.deepEqual(
    readAckSubject('$JS.ACK.hub.ACCT.WORK_eu_0.m_interactive_short.2.17.18.1764000000000000000.3'),
    own,
  );
  assert.deepEqual(
    readAckSubject('$JS.ACK.hub.ACCT.WORK_eu_0.m_interactive_short.2.17.18.1764000000000000000.3.x7'),
    own,
  );
  for (const subject of [
    ...[
      '',
      'victim.subject',
      '$JS.API.STREAM.PURGE.WORK_eu_0',
      '$JS.ACK',
      '$JS.ACK.WORK_eu_0.c.1',
      '_INBOX.x',
    ],
    ...[
      '$JS.ACK.WORK_eu_0.>.1.1.1.1.1',
      '$JS.ACK.*.c.1.1.1.1.1',
      '$JS.ACK.WORK_eu_0.c.1.1.1.1.1\r\nPUB x 0',
      '$JS.ACK.WORK eu.c.1.1.1.1.1',
    ],
    ...[
      `$JS.ACK.${'x.'.repeat(5000)}1`,
      '$JS.ACK.WORK_eu_0.c.-1.1.1.1.1',
      '$JS.ACK.WORK_eu_0.c.1.1.1.1.1.1.1.1.1.1',
    ],
  ])
    assert.equal(readAckSubject(subject), null, subject.slice(0, 60));
  for (const subject of [
    '',
    'work',
    'work.eu.0.m.interactive.short.any.a b',
    'work.eu.0.m.x.short.any.r1',
    `work.${'a'.repeat(49)}`,
  ])
    assert.equal(readSubject(subject), null, subject);
});
