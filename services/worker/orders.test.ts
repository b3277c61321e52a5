import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage, readRollCall, readRunningAnswer } from '@penstock/protocol';
import { DroppedMessages } from '@penstock/runtime';
import type { OnControlMessage } from '@penstock/transport';
import { hostileJson } from '../../libs/protocol/hostile.fixture.ts';
import { hearOrders } from './orders.ts';

function startHearing() {
  const told: string[] = [];
  const dropped = new DroppedMessages();
  let onMessage: OnControlMessage = () => {};
  hearOrders({
    ...{ worker: 'w-1', incarnation: 'p1', dropped },
    queue: {
      listen: (_filter, to) => {
        onMessage = to;
      },
    },
    stored: { has: (id, attempt) => id === 'r1' && attempt === 2 },
    cancel: (id, { number, nonce }) => void told.push(`cancel ${id} ${number} ${nonce}`),
    drain: isOn => void told.push(`drain ${isOn}`),
  });
  let answer: Uint8Array | null = null;
  const answered = () => answer;
  const say = (payload: Uint8Array) => {
    answer = null;
    onMessage(
      payload,
      bytes => {
        answer = bytes;
      },
      'w-1',
    );
    return answered();
  };
  return { told, dropped, say, answered };
}

test('a worker answers at once when its own process is called, and a moment later that it is another one', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { say, answered, dropped } = startHearing();
  assert.deepEqual(readRollCall(say(encodeMessage({ called: 'p1' })) ?? Buffer.of()), { called: 'p1' });
  assert.equal(say(encodeMessage({ called: 'p0' })), null);
  t.mock.timers.tick(100);
  assert.deepEqual(readRollCall(answered() ?? Buffer.of()), { called: 'p0', here: 'p1' });
  assert.equal(dropped.of('order'), 0);
});

test('questions are answered, cancels and orders followed, and everything else is counted', () => {
  const { told, say, dropped } = startHearing();
  const goesOn = (attempt: number) =>
    readRunningAnswer(say(encodeMessage({ runs: 'r1', attempt })) ?? Buffer.of())?.goesOn;
  assert.deepEqual([goesOn(1), goesOn(2)], [false, true]);
  say(encodeMessage({ cancel: 'r1', attempt: 1, nonce: 7 }));
  say(encodeMessage({ drain: true }));
  assert.deepEqual(told, ['cancel r1 1 7', 'drain true']);
  for (const bytes of hostileJson({ called: 'p1', drain: true, cancel: 'r1', attempt: 1 })) say(bytes);
  assert.ok(dropped.of('order') > 0);
});
