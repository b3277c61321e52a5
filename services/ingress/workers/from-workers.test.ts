import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodePacket,
  type Frame,
  type ResumeQuestion,
  readResumeAnswer,
  sharedAddress,
} from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import type { OnControlMessage } from '@penstock/transport';
import { hostileBytes, hostileJson } from '../../../libs/protocol/hostile.fixture.ts';
import { FromWorkers, type GivenRequest } from './from-workers.ts';

const KEY = 'key-of-the-message-1';
const ADDRESS = sharedAddress(
  { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' },
  'r1',
);
const RESULT = JSON.stringify({ status: 200, contentType: 'application/json' });
const QUOTE = { waitMs: 1, tokensPerSec: 2, cacheTokens: 3 };

/** One open request `r1`, whose message has the key. `old` is a worker of the version before. */
async function startHearing(change: Partial<GivenRequest> = {}) {
  const request: GivenRequest = { key: KEY, attempt: 0, address: ADDRESS, running: null, ...change };
  const told: string[] = [];
  const dropped = new DroppedMessages();
  const fromWorkers = new FromWorkers<GivenRequest>(
    {
      queue: { isAckOf: (_address, ack) => ack === 'ack-1' },
      fleet: {
        hearQuote: worker => void told.push(`quote ${worker}`),
        isKeyless: worker => worker === 'old',
      },
      dropped,
      claims: {
        opened: sent => {
          if (sent.body.includes('changed')) throw new Error('not what was sealed');
          return { ...sent, body: Buffer.from('opened') };
        },
      },
    },
    {
      find: id => (id === 'r1' ? request : undefined),
      onFrame: (_request, { kind, body }, worker) =>
        void told.push(kind === 'result' ? `${kind} ${body}` : `${kind} ${worker}`),
      onStrange: (worker, id) => void told.push(`strange ${id} ${worker}`),
      answer: () => ({ kind: 'start' }),
      unwanted: ({ running }) => running.map(({ id }) => id),
    },
  );
  let onMessage: OnControlMessage = () => {};
  let onPacket: (packet: Buffer) => void = () => {};
  await fromWorkers.listen(
    {
      listen: (_filter, to) => {
        onMessage = to;
      },
    },
    {
      listen: async (_ingress, to) => {
        onPacket = to;
      },
    },
    'in-1',
  );
  const ask = (question: object) => {
    let answer: Uint8Array | null = null;
    onMessage(
      Buffer.from(JSON.stringify(question)),
      bytes => {
        answer = bytes;
      },
      'in-1',
    );
    return answer === null ? null : readResumeAnswer(answer)?.kind;
  };
  return { told, dropped, ask, hear: onPacket, onMessage };
}

function frame(meta: object, change: Partial<Frame> = {}): Frame {
  const text = JSON.stringify({ waitMs: 0, ...meta });
  const body = Buffer.alloc(0);
  return { ...{ id: 'r1', attempt: 1, nonce: 7, seq: 0, kind: 'accepted', meta: text, body }, ...change };
}

test('only who was given a message may say that it took it, and names none but its own delivery', async () => {
  const { told, dropped, hear } = await startHearing();
  const say = (worker: string, ...frames: Frame[]) => hear(encodePacket(worker, QUOTE, frames));
  say('thief', frame({ ack: 'ack-1' }));
  say('thief', frame({ ack: 'ack-1', key: `${KEY}0` }));
  say('thief', frame({ ack: 'ack-1' }, { attempt: 900 }));
  say('w-1', frame({ ack: 'victim.subject', key: KEY }));
  assert.deepEqual([told, dropped.of('frame')], [[], 4]);
  say('w-1', frame({ ack: 'ack-1', key: KEY }));
  // It cannot know of keys.
  say('old', frame({ ack: 'ack-1' }));
  assert.deepEqual([told, dropped.of('frame')], [['accepted w-1', 'accepted old'], 4]);
});

test('what comes of a subject that the request has left is handed on to be fenced, with whatever key', async () => {
  const { told, hear } = await startHearing({ attempt: 2048 });
  hear(encodePacket('w-1', QUOTE, [frame({ ack: 'other', key: `${KEY}0` }, { attempt: 1 })]));
  assert.deepEqual(told, ['accepted w-1']);
});

test('what an answer says is opened before it is told, and is dropped where it cannot be', async () => {
  const { told, dropped, hear } = await startHearing();
  const result = (text: string) => frame({}, { kind: 'result', meta: RESULT, body: Buffer.from(text) });
  hear(encodePacket('w-1', QUOTE, [result('changed'), result('sealed')]));
  assert.deepEqual([told, dropped.of('frame')], [['result opened'], 1]);
});

test('a worker that takes a request of nobody is stopped, and nothing is settled where it says', async () => {
  const { told, hear } = await startHearing();
  hear(encodePacket('w-1', QUOTE, [frame({ ack: 'victim.subject' }, { id: 'nobody' })]));
  assert.deepEqual(told, ['strange nobody w-1']);
});

test('a quote counts of the worker that runs something for this node, and of no other', async () => {
  const { told, hear } = await startHearing({ running: { worker: 'w-1', nonce: 7 } });
  const said = (nonce: number) => frame({}, { kind: 'events', meta: '', nonce });
  hear(encodePacket('w-2', QUOTE, [said(7)]));
  hear(encodePacket('w-1', QUOTE, [said(8)]));
  hear(encodePacket('w-1', QUOTE, []));
  assert.deepEqual(told, ['events w-2', 'events w-1']);
  hear(encodePacket('w-1', QUOTE, [said(7)]));
  assert.equal(told.at(-1), 'quote w-1');
});

test('only who was given a request hears what its client has', async () => {
  const { ask, dropped } = await startHearing();
  const question: Partial<ResumeQuestion> = { id: 'r1', attempt: 1, worker: 'w-1', nonce: 7, ack: 'ack-1' };
  assert.equal(ask({ ...question, key: KEY }), 'start');
  assert.equal(ask({ ...question, worker: 'old' }), 'start');
  assert.equal(ask({ ...question, id: 'r2' }), 'gone');
  for (const change of [{}, { key: `${KEY}0` }, { key: KEY, ack: '$JS.API.STREAM.PURGE.WORK_eu_0' }])
    assert.equal(ask({ ...question, ...change }), null, JSON.stringify(change));
  assert.equal(dropped.of('question'), 3);
});

test('nothing that is sent is thrown out of the callback that it came by', async () => {
  const { dropped, hear, onMessage } = await startHearing();
  const packet = encodePacket('w-1', QUOTE, [frame({ ack: 'ack-1', key: KEY }), frame({ ack: 'ack-1' })]);
  for (let seed = 1; seed < 10; seed++) for (const bytes of hostileBytes(packet, seed)) hear(bytes);
  for (const meta of hostileJson({ ack: 'ack-1', waitMs: 0, incarnation: 'p', key: KEY }))
    hear(encodePacket('w-1', QUOTE, [frame({}, { meta: meta.toString('utf8').slice(0, 5000) })]));
  const questions = [
    { id: 'r1', attempt: 1, worker: 'w-1', nonce: 7, ack: 'ack-1', key: KEY },
    { running: [{ id: 'r1', attempt: 1, nonce: 7 }], worker: 'w-1', incarnation: 'p' },
  ];
  for (const question of questions)
    for (const bytes of hostileJson(question)) onMessage(bytes, () => {}, 'in-1');
  for (const kind of ['packet', 'frame', 'question'] as const) assert.ok(dropped.of(kind) > 100, kind);
});
