import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from './within.ts';

test('what is answered in time is handed on, and so is what fails in it', async () => {
  assert.equal(await within(60_000, Promise.resolve(1)), 1);
  await assert.rejects(within(60_000, Promise.reject(new Error('refused'))), /refused/);
});

test('what is never answered fails after its time, and what comes late harms nobody', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  await assert.rejects(within(5, promise), /no answer in 5 ms/);
  reject(new Error('too late'));
  await new Promise(resolve => setImmediate(resolve));
});
