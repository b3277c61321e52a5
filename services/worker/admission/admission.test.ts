import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { kvNeed } from '@penstock/policy';
import {
  type AttemptKey,
  controlSubject,
  encodeEnvelope,
  encodeMessage,
  NO_NONCE,
  type ResumeAnswer,
  type ResumeQuestion,
  readResumeQuestion,
  sharedAddress,
  type WorkEnvelope,
  type WorkMeta,
} from '@penstock/protocol';
import { DroppedMessages, type Logger } from '@penstock/runtime';
import type { Answer } from '@penstock/transport';
import { workMeta } from '../../../libs/protocol/work-meta.fixture.ts';
import type { Attempt } from '../attempts/attempt.ts';
import type { Continuation } from '../attempts/continuation.ts';
import type { AttemptSink } from '../attempts/running-attempts.ts';
import type { Beginning } from '../stored/stored-runs.ts';
import { Admission } from './admission.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
const ADDRESS = sharedAddress(KEY, 'r1');
const META = workMeta({ stream: true, promptTokens: 5 });
const answered = (answer: ResumeAnswer): Answer => ({ kind: 'answer', payload: encodeMessage(answer) });

/** An admission between fakes that note what it does, in order. */
function startAdmission({
  slots = 2,
  answer = async (): Promise<Answer> => ({ kind: 'nobody' }),
  beginning = async (): Promise<Beginning> => ({ kind: 'gone' }),
  converted = async (): Promise<WorkEnvelope | null> => null,
  goesOn = true,
} = {}) {
  const said: string[] = [];
  const runs: {
    work: WorkEnvelope;
    attempt: AttemptKey;
    continuation: Continuation | null;
    sink: AttemptSink;
  }[] = [];
  const questions: ResumeQuestion[] = [];
  const replies: AttemptSink = { attach() {}, ready() {}, release() {} };
  const state = { now: 0, draining: false };
  const dropped = new DroppedMessages();
  const admission = new Admission({
    worker: 'w-1',
    continuing: { canContinue: async () => goesOn, countTokens: async () => null },
    slots: () => slots,
    queue: {
      settle: (_ack, how, delayMs) => void said.push(delayMs === undefined ? how : `${how} ${delayMs}`),
      ask: (to, payload) => {
        said.push(`ask ${controlSubject(to)}`);
        const question = readResumeQuestion(payload);
        if (question !== null) questions.push(question);
        return answer();
      },
    },
    stored: {
      begin: (_work, _address, { number }) => {
        said.push(`begin ${number}`);
        return beginning();
      },
      asStored: converted,
      receive: given => given,
      attach: (_attempt, resumeState) => void said.push(`attach ${resumeState?.entries ?? 'new'}`),
      collect: () => void said.push('collect'),
      release: () => void said.push('release'),
    },
    running: {
      get size() {
        return runs.length;
      },
      has: id => runs.some(run => run.work.meta.id === id),
      run: (_delivery, work, attempt, continuation, sink) => {
        said.push('run');
        runs.push({ work, attempt, continuation, sink });
      },
      cancel: (id, { number }) => void said.push(`cancel ${id} ${number}`),
    },
    replies,
    isClosed: () => state.draining,
    onTaken: meta => void said.push(`taken ${meta.id}`),
    onSettled: () => void said.push('settled'),
    dropped,
    clock: { now: () => state.now, monotonic: () => state.now },
    log: { error() {} } as unknown as Logger,
  });
  const deliver = (meta: Partial<WorkMeta> = {}, deliveryCount = 1) =>
    admission.take({
      data: encodeEnvelope({ ...META, ...meta }, Buffer.from('{"messages":[]}')),
      ...{ address: ADDRESS, ackSubject: 'ack', deliveryCount },
    });
  return { admission, deliver, said, runs, questions, replies, dropped, state };
}

/** Of what an ingress says of a partial answer. */
const REST = { chunkId: 'c1', created: 7, tokens: null, promptTokens: null, finish: null } as const;

test('a first delivery runs at once, and its frames go to the ingress', () => {
  const { deliver, said, runs, replies } = startAdmission();
  assert.equal(deliver(), true);
  assert.deepEqual(said, ['taken r1', 'run']);
  assert.equal(runs[0]?.sink, replies);
  assert.equal(runs[0]?.continuation, null);
});

test('a delivery without room is handed back unread, also by a worker that drains', () => {
  const full = startAdmission({ slots: 0 });
  assert.equal(full.deliver(), false);
  assert.deepEqual(full.said, ['nak']);
  const draining = startAdmission();
  draining.state.draining = true;
  assert.equal(draining.deliver(), false);
  assert.deepEqual(draining.said, ['nak']);
});

test('a delivery that is about to run takes a slot', async () => {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const { admission, deliver, runs } = startAdmission({ slots: 1, answer: () => promise });
  assert.equal(deliver({}, 2), true);
  assert.deepEqual([admission.slotsTaken, admission.kvPending], [1, kvNeed(5, null)]);
  assert.equal(deliver({ id: 'r2' }), false);
  resolve(answered({ kind: 'start' }));
  await turn();
  assert.deepEqual([runs.length, admission.slotsTaken], [1, 1]);
});

test('work that may be of a later version is left to other workers, and what is none is dropped', () => {
  const { admission, said, dropped } = startAdmission();
  const take = (line: string) =>
    admission.take({ data: Buffer.from(`${line}\n`), address: ADDRESS, ackSubject: 'ack', deliveryCount: 1 });
  const later = [
    { ...META, v: 3 },
    { ...META, endpoint: 'not_known_yet' },
  ];
  for (const meta of later) assert.equal(take(JSON.stringify(meta)), true);
  for (const line of ['{"v":2}', 'garbage']) assert.equal(take(line), true);
  assert.deepEqual(said, ['nak 2000', 'nak 2000', 'term', 'term']);
  assert.equal(dropped.of('delivery'), 2);
});

test('a redelivery continues what the client has', async () => {
  const partial = { kind: 'continue', text: 'Hel', chunks: 1, ...REST } as const;
  const { deliver, said, runs } = startAdmission({ answer: async () => answered(partial) });
  deliver({}, 2);
  await turn();
  assert.deepEqual(said, ['taken r1', 'ask ctl.ingress.in-1', 'run']);
  const body = JSON.parse(runs[0]?.continuation?.bodyFrom(runs[0].work.body).toString() ?? '{}');
  assert.deepEqual(body.messages, [{ role: 'assistant', content: 'Hel' }]);
});

test('where the engine cannot continue, it is asked as the client asked', async () => {
  const partial = { kind: 'continue', text: 'Hel', chunks: 1, ...REST } as const;
  const { deliver, runs } = startAdmission({ answer: async () => answered(partial), goesOn: false });
  deliver({}, 2);
  await turn();
  const [{ work, continuation } = assert.fail('nothing runs')] = runs;
  assert.equal(continuation?.bodyFrom(work.body), work.body);
});

for (const { name, answer, settlement } of [
  { name: 'nobody waits for', answer: answered({ kind: 'gone' }), settlement: 'term' },
  { name: 'whose ingress is away', answer: { kind: 'nobody' } as const, settlement: 'nak 1000' },
  { name: 'whose ingress is slow', answer: { kind: 'timeout' } as const, settlement: 'nak 1000' },
]) {
  test(`a redelivery ${name} is settled with ${settlement}`, async () => {
    const { deliver, said, admission } = startAdmission({ answer: async () => answer });
    deliver({}, 2);
    await turn();
    assert.deepEqual(said.slice(2), [settlement, 'settled']);
    assert.equal(admission.slotsTaken, 0);
  });
}

test('late work is not dropped on the word of this clock alone', async () => {
  const { deliver, said, state } = startAdmission({ answer: async () => answered({ kind: 'start' }) });
  state.now = 5000;
  deliver();
  await turn();
  assert.deepEqual(said, ['taken r1', 'ask ctl.ingress.in-1', 'run']);
});

test('a request without an ingress that was converted to a stored run is begun as one', async () => {
  const stored = { body: Buffer.from('{}'), meta: { ...META, stored: true } };
  const { deliver, said, runs } = startAdmission({
    answer: async () => ({ kind: 'nobody' }),
    converted: async () => stored,
    beginning: async () => ({ kind: 'begun', resumeState: null, continuation: null }),
  });
  deliver({}, 2);
  await turn();
  assert.deepEqual(said.slice(2), ['begin 2', 'run', 'settled', 'settled']);
  assert.equal(runs[0]?.work, stored);
});

test('a request whose record cannot be read is settled as if there were none', async () => {
  const { deliver, said } = startAdmission({
    converted: async () => {
      throw new Error('no Redis');
    },
  });
  deliver({}, 2);
  await turn();
  assert.deepEqual(said.slice(2), ['nak 1000', 'settled']);
});

test('a stored run that was begun resumes from its log, and its frames go into its record', async () => {
  const resumeState = { entries: 3, ops: [], replays: false };
  const { deliver, said, runs } = startAdmission({
    beginning: async () => ({ kind: 'begun', resumeState, continuation: null }),
  });
  deliver({ stored: true, attemptBase: 4 }, 2);
  await turn();
  assert.deepEqual(said, ['taken r1', 'begin 6', 'run', 'settled']);
  const { sink } = runs[0] ?? assert.fail('nothing runs');
  said.length = 0;
  for (const step of ['attach', 'ready', 'release'] as const) sink[step]({} as Attempt, true);
  assert.deepEqual(said, ['attach 3', 'collect', 'release']);
});

test('a first attempt at a stored run is begun as such', async () => {
  const { deliver, said } = startAdmission();
  deliver({ stored: true });
  await turn();
  assert.deepEqual(said, ['taken r1', 'begin 1', 'term', 'settled']);
});

test('a delivery of a stored run that belongs to a later attempt is left to that one', async () => {
  const { deliver, said } = startAdmission({ beginning: async () => ({ kind: 'fenced' }) });
  deliver({ stored: true });
  await turn();
  assert.deepEqual(said.slice(2), ['settled']);
});

test('a request that runs here is not begun again on the word of the broker, and its delivery is left', async () => {
  const { deliver, said, runs, questions } = startAdmission({
    answer: async () => answered({ kind: 'held' }),
  });
  deliver();
  deliver();
  await turn();
  assert.deepEqual(said, ['taken r1', 'run', 'taken r1', 'ask ctl.ingress.in-1', 'settled']);
  const [{ id, attempt, worker, ack, nonce } = assert.fail('nothing was asked')] = questions;
  assert.deepEqual([id, attempt, worker, ack], ['r1', 1, 'w-1', 'ack']);
  assert.notEqual(nonce, runs[0]?.attempt.nonce, 'they have one number');
});

test('a request that is about to run here is asked for, too', async () => {
  const { deliver, said, runs } = startAdmission({ answer: async () => answered({ kind: 'start' }) });
  deliver({}, 2);
  deliver();
  assert.equal(said.filter(what => what.startsWith('ask')).length, 2);
  await turn();
  assert.equal(new Set(runs.map(run => run.attempt.nonce)).size, 2);
});

test('a stored run comes again when its record cannot be reached', async () => {
  const { deliver, said } = startAdmission({
    beginning: async () => {
      throw new Error('no Redis');
    },
  });
  deliver({ stored: true });
  await turn();
  assert.deepEqual(said.slice(2), ['nak 1000', 'settled']);
});

test('the longer the record cannot be reached, the later a stored run comes again, however often it was delivered', async () => {
  let isRefusing = true;
  const { deliver, said, state } = startAdmission({
    beginning: async () => {
      if (isRefusing) throw new Error('no Redis');
      return { kind: 'fenced' };
    },
  });
  const pauseAt = async (now: number) => {
    state.now = now;
    deliver({ stored: true }, 5000);
    await turn();
    return said.findLast(what => what.startsWith('nak'));
  };
  const pauses = [await pauseAt(100), await pauseAt(4100), await pauseAt(1_000_000)];
  assert.deepEqual(pauses, ['nak 1000', 'nak 4000', 'nak 30000']);
  isRefusing = false;
  await pauseAt(1_030_000);
  isRefusing = true;
  assert.equal(await pauseAt(1_031_000), 'nak 1000');
});

test('an attempt keeps to the numbers of its subject, however often the work was handed back', async () => {
  const { deliver, runs, state } = startAdmission({ answer: async () => answered({ kind: 'start' }) });
  state.now = 10;
  deliver({ attemptBase: 2048 }, 70_000);
  await turn();
  assert.equal(runs[0]?.attempt.number, 3 * 1024 - 1);
});

test('a cancel that arrives while the ingress is asked or the record is begun stops the start', async () => {
  for (const stored of [false, true]) {
    const { admission, deliver, said, runs } = startAdmission({
      answer: async () => answered({ kind: 'start' }),
      beginning: async () => ({ kind: 'begun', resumeState: null, continuation: null }),
    });
    deliver({ stored }, 2);
    admission.cancel('r1', { number: 2, nonce: NO_NONCE });
    await turn();
    // An ingress has purged the message, or given it to another worker.
    const settled = stored ? ['term', 'settled'] : ['settled'];
    assert.deepEqual(said.slice(2), ['cancel r1 2', ...settled], `stored: ${stored}`);
    assert.equal(runs.length, 0);
  }
});
