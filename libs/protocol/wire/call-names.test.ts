import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callNamesIn, engineHeadersOf, requestIdIn } from './call-names.ts';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test("a client's request id is taken as it is, or not at all", () => {
  for (const id of ['a', 'req-1.2_3~4', '550e8400-e29b-41d4-a716-446655440000', 'x'.repeat(128)])
    assert.equal(requestIdIn({ 'x-request-id': id }), id);
  for (const id of [
    undefined,
    '',
    'a b',
    'a,b',
    'a"b',
    'a\tb',
    'ä',
    'x'.repeat(129),
    '{}',
    'a/b',
    ['a', 'b'],
  ])
    assert.equal(requestIdIn({ 'x-request-id': id }), null, String(id));
});

test('a trace goes on where it is well-formed, with its state, and none is begun', () => {
  const names = (traceparent: string, tracestate?: string) => callNamesIn({ traceparent, tracestate });
  assert.equal(callNamesIn({}), undefined);
  assert.deepEqual(names(PARENT, 'a=1,b=2'), { traceparent: PARENT, tracestate: 'a=1,b=2' });
  assert.deepEqual(names(`01${PARENT.slice(2)}-more`), { traceparent: `01${PARENT.slice(2)}-more` });
  assert.deepEqual(names(PARENT, 'ä=1'), { traceparent: PARENT });
  assert.deepEqual(names(PARENT, `a=${'x'.repeat(600)}`), { traceparent: PARENT });
  const bad = [
    `${PARENT}-more`,
    PARENT.toUpperCase(),
    `ff${PARENT.slice(2)}`,
    PARENT.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    PARENT.replace('00f067aa0ba902b7', '0'.repeat(16)),
    `${PARENT}, ${PARENT}`,
    '',
  ];
  for (const parent of bad) assert.equal(names(parent, 'a=1'), undefined, parent);
});

test("an engine gets an id that holds the client's and ours, and differs at each attempt", () => {
  assert.deepEqual(engineHeadersOf({ id: 'r1' }, 1), { 'x-request-id': 'req_r1' });
  assert.deepEqual(engineHeadersOf({ id: 'r1' }, 2), { 'x-request-id': 'req_r1-2' });
  const names = { requestId: 'page-7', traceparent: PARENT, tracestate: 'a=1' };
  assert.deepEqual(engineHeadersOf({ id: 'r1', names }, 1), {
    ...{ 'x-request-id': 'page-7-r1', traceparent: PARENT, tracestate: 'a=1' },
  });
});
