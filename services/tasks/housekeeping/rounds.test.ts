import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rounds } from './rounds.ts';

test('a round that fails is counted and logged, and does not reject', async () => {
  const told: string[] = [];
  const look = rounds(
    {
      ...{ what: 'queues', trouble: 'not looked at' },
      watch: { failed: what => told.push(what) },
      log: {
        warn: ({ err }: { err: Error }, text: string) => told.push(`${err.message}: ${text}`),
      } as never,
    },
    () => Promise.reject(new Error('away')),
  );
  await look();
  assert.deepEqual(told, ['queues', 'away: not looked at']);
});
