import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backlogLimits } from './backlog.ts';

const TOTAL = { messages: 1000, bytes: 8000 };

test('a tenant may have twice what is still free of the queue, and nothing where it is full', () => {
  const { tenant, model } = backlogLimits(TOTAL, { messages: 399, bytes: 900 }, 100, true);
  assert.deepEqual([tenant, model], [{ messages: 1200, bytes: 14_000 }, undefined]);
  assert.equal(backlogLimits(TOTAL, { messages: 1000, bytes: 0 }, 100, true).tenant.messages, -1);
  assert.equal(backlogLimits(TOTAL, { messages: 0, bytes: 7950 }, 100, true).tenant.bytes, -1);
});

test('work for a model without workers has an eighth of the queue', () => {
  const { model } = backlogLimits(TOTAL, { messages: 0, bytes: 0 }, 100, false);
  assert.deepEqual(model, { messages: 125, bytes: 1000 });
});
