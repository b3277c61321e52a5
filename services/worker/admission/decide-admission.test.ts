import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage, type ResumeAnswer, type WorkMeta } from '@penstock/protocol';
import type { Answer } from '@penstock/transport';
import { decideAdmission, decideOnAnswer } from './decide-admission.ts';

const META = { stored: false, ask: false, deadlineAt: 1000 } as WorkMeta;
const ask = (reason: string) => ({ kind: 'ask', reason });
const answered = (answer: ResumeAnswer): Answer => ({ kind: 'answer', payload: encodeMessage(answer) });
const CONTINUE = {
  ...({ kind: 'continue', text: 'Hi', chunks: 1, chunkId: 'c', created: 7 } as const),
  ...{ tokens: null, promptTokens: null, finish: null },
} as const;

test('only the first delivery of an interactive request in time runs without a question', () => {
  assert.deepEqual(decideAdmission(META, 1, 999, false), { kind: 'run' });
  assert.deepEqual(decideAdmission(META, 2, 999, false), ask('redelivered'));
  assert.deepEqual(decideAdmission({ ...META, ask: true }, 1, 999, false), ask('required'));
  assert.deepEqual(decideAdmission(META, 1, 1000, false), ask('late'));
  assert.deepEqual(decideAdmission({ ...META, ask: true }, 2, 1000, false), ask('late'));
});

test('while an attempt at the request runs here, its ingress is asked: the broker may have forgotten that delivery', () => {
  assert.deepEqual(decideAdmission(META, 1, 0, true), ask('running_here'));
  assert.deepEqual(decideAdmission({ ...META, stored: true }, 1, 0, true), { kind: 'begin_stored' });
});

test('stored work begins at its record, however often it was delivered and however late it is', () => {
  for (const [count, now] of [
    [1, 0],
    [3, 5000],
  ] as const)
    assert.deepEqual(decideAdmission({ ...META, stored: true }, count, now, false), { kind: 'begin_stored' });
});

test('the ingress says from where a request runs', () => {
  assert.deepEqual(decideOnAnswer(answered({ kind: 'start' }), 'redelivered', 2), {
    kind: 'run',
    resume: null,
  });
  assert.deepEqual(decideOnAnswer(answered(CONTINUE), 'late', 2), { kind: 'run', resume: CONTINUE });
});

for (const { name, answer, reason, count, otherwise } of [
  { name: 'gone', answer: answered({ kind: 'gone' }), reason: 'required', count: 1, otherwise: 'drop' },
  { name: 'no ingress', answer: { kind: 'nobody' }, reason: 'redelivered', count: 20, otherwise: 'retry' },
  { name: 'no ingress', answer: { kind: 'nobody' }, reason: 'redelivered', count: 21, otherwise: 'drop' },
  { name: 'no ingress', answer: { kind: 'nobody' }, reason: 'late', count: 1, otherwise: 'drop' },
  {
    name: 'an unreadable answer',
    answer: { kind: 'answer', payload: Buffer.from('{}') },
    reason: 'redelivered',
    count: 2,
    otherwise: 'retry',
  },
] as const) {
  test(`${name} (${reason}, delivery ${count}): a record is looked for, else ${otherwise}`, () => {
    assert.deepEqual(decideOnAnswer(answer, reason, count), { kind: 'find_record', otherwise });
  });
}

test('a delivery of a request that another attempt has is left to that one', () => {
  assert.deepEqual(decideOnAnswer(answered({ kind: 'held' }), 'redelivered', 50), { kind: 'leave' });
});

test('an ingress that is slow to answer may still wait: the delivery comes again, however late', () => {
  assert.deepEqual(decideOnAnswer({ kind: 'timeout' }, 'late', 50), { kind: 'retry' });
});
