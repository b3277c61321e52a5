import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneAtATime } from './rounds.ts';

test('a round is not joined by another, and one that fails is told and followed by the next', async () => {
  const told: string[] = [];
  const rounds: PromiseWithResolvers<void>[] = [];
  const look = oneAtATime(
    {
      ...{ what: 'queues', trouble: 'not looked at' },
      watch: { failed: what => told.push(what) },
      log: {
        warn: ({ err }: { err: Error }, text: string) => told.push(`${err.message}: ${text}`),
      } as never,
    },
    () => {
      const round = Promise.withResolvers<void>();
      rounds.push(round);
      return round.promise;
    },
  );
  const first = look();
  await look();
  assert.equal(rounds.length, 1);
  rounds[0]?.reject(new Error('away'));
  await first;
  assert.deepEqual(told, ['queues', 'away: not looked at']);
  const second = look();
  assert.equal(rounds.length, 2);
  rounds[1]?.resolve();
  await second;
  assert.equal(told.length, 2);
});
