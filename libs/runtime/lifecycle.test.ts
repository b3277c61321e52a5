import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stopOnSignal, whenThere } from './lifecycle.ts';
import type { Logger } from './logs/logger.ts';

const silent = { info() {}, warn() {}, debug() {} } as unknown as Logger;

test('one wish to end may come as two signals; a later one ends the process at once', async t => {
  const codes: unknown[] = [];
  t.mock.method(process, 'exit', (code: number) => void codes.push(code));
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const listeners: Record<string, () => void> = {};
  t.mock.method(process, 'on', (signal: string, listener: () => void) => {
    listeners[signal] = listener;
  });
  const { promise: drained, resolve: drain } = Promise.withResolvers<void>();
  const stopping = stopOnSignal(silent);
  const taken: string[] = [];
  stopping.by([
    { name: 'drain', limitMs: 60_000, run: () => drained },
    { name: 'close', limitMs: 60_000, run: () => void taken.push('closed') },
  ]);
  listeners['SIGINT']?.();
  now += 100;
  listeners['SIGTERM']?.();
  assert.deepEqual(codes, [], 'a terminal and a supervisor sent one each');
  now += 1000;
  listeners['SIGTERM']?.();
  assert.deepEqual([codes, taken], [[1], []]);
  drain();
  while (codes.length < 2) await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual([codes, taken], [[1, 0], ['closed']]);
});

test('what nobody handles ends the process with a line of the log', async t => {
  const codes: unknown[] = [];
  t.mock.method(process, 'exit', (code: number) => void codes.push(code));
  const listeners: Record<string, (err: Error) => void> = {};
  t.mock.method(process, 'on', (name: string, listener: () => void) => {
    listeners[name] = listener;
  });
  const said: unknown[] = [];
  stopOnSignal({ fatal: (about: unknown) => void said.push(about) } as unknown as Logger);
  const err = new Error('nobody expected it');
  listeners['uncaughtException']?.(err);
  assert.deepEqual([codes, said], [[1], [{ err }]]);
});

test('a server is waited for, and what is wrong is told', async () => {
  const said: string[] = [];
  const log = { info() {}, warn: (_: object, text: string) => void said.push(text) } as unknown as Logger;
  let tries = 0;
  const made = await whenThere(log, 1)({ what: 'NATS', variable: 'X' }, async () => {
    if (++tries < 4) throw new Error('nobody answers');
    return 'connected';
  });
  assert.deepEqual([made, tries, said], ['connected', 4, ['waiting for NATS: nobody answers']]);
});

test('what waiting does not mend ends the process with the setting to blame', async t => {
  const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
  t.mock.method(process, 'exit', (code: number) => {
    end(code);
    throw new Error('ended');
  });
  const written = t.mock.method(process.stderr, 'write', () => true);
  const wrong = Object.assign(new Error('too old'), { isLasting: true });
  await assert.rejects(whenThere(silent, 1)({ what: 'NATS', variable: 'X' }, () => Promise.reject(wrong)));
  assert.equal(await ended, 78);
  assert.equal(written.mock.calls[0]?.arguments[0], 'configuration: X: too old\n');
});
