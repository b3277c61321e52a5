import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideAdmission, type Estimated, refusal } from './admission.ts';

const estimated = (estimateS: number, more: Partial<Estimated> = {}): Estimated => ({
  ...{ model: 'large', isServed: true, isBusy: true, estimateS },
  ...more,
});
const decide = (asked: Estimated, patienceS: number, fallbacks: readonly Estimated[] = []) =>
  decideAdmission({ asked, fallbacks, patienceS });

test('what is in time is queued, also where it is just so', () => {
  assert.deepEqual(decide(estimated(5), 5), { kind: 'queue', reason: 'in_time', estimateS: 5 });
});

test('where nobody waits there is room, whatever the estimate', () => {
  assert.equal(decide(estimated(99, { isBusy: false }), 1).kind, 'queue');
});

test('while a model has no worker its requests are held: that is no matter of load', () => {
  const held = decide(estimated(600, { isServed: false }), 1, [estimated(0, { model: 'small' })]);
  assert.deepEqual(held, { kind: 'queue', reason: 'no_worker', estimateS: 600 });
});

test('the first of the other models that is in time stands in', () => {
  const others = [
    estimated(9, { model: 'late' }),
    estimated(1, { model: 'away', isServed: false }),
    estimated(2, { model: 'small' }),
    estimated(0, { model: 'smaller' }),
  ];
  const standIn = { kind: 'stand_in', reason: 'sooner', model: 'small', estimateS: 2 };
  assert.deepEqual(decide(estimated(6), 5, others), standIn);
  assert.equal(decide(estimated(6), 1, others).kind, 'stand_in', 'the last is in time for anybody');
});

test('a refusal names when what waits now has been served: a second at least, a minute at most', () => {
  const refused = { kind: 'refuse', reason: 'too_late', estimateS: 6, retryAfterS: 6 };
  assert.deepEqual(decide(estimated(6), 5), refused);
  assert.equal(refusal('lost', 0.1, 0.05).retryAfterS, 1);
  assert.equal(refusal('too_late', 65, 5).retryAfterS, 60);
});

test('a client is told not to come again where it would be refused for more than a minute', () => {
  assert.equal(refusal('too_late', 70, 10).retryAfterS, 60);
  assert.equal(refusal('too_late', 71, 10).retryAfterS, null);
});
