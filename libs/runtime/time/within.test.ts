import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

test('an answer that came while this process got no processor is one in time', async () => {
  const child = spawn('sh', ['-c', 'sleep 0.05; echo here']);
  const answer = within(100, once(child.stdout, 'data'));
  // Nothing is read and no timer runs meanwhile, as where others have all processors.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  assert.equal(String((await answer)[0]), 'here\n');
});
