import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionsOf } from './sessions.ts';

test('a request continues the conversation its blocks belong to; blocks of many are nobody’s', () => {
  const request = (atMs: number, inputTokens: number, blocks: number[]) => ({
    ...{ atMs, inputTokens, blocks },
    outputTokens: 5,
  });
  const strangers = Array.from({ length: 60 }, (_, i) => request(1000 + i, 512, [0, 100 + i]));
  const sessions = sessionsOf([
    request(0, 1000, [0, 1]),
    request(1, 1000, [0, 2]),
    request(2, 1600, [0, 1, 3]),
    ...strangers,
    request(2000, 2100, [0, 1, 3, 4]),
  ]);
  assert.equal(sessions.length, 62);
  assert.deepEqual(sessions[0], { atMs: [0, 2, 2000], inputs: [1000, 1600, 2100], outputs: [5, 5, 5] });
});
