import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRetryAfter } from './retry-after.ts';

test('the pause that an engine asks for is read in every form, and limited', () => {
  const now = Date.UTC(2026, 0, 1);
  const cases: [headers: Record<string, string>, ms: number | null][] = [
    [{}, null],
    [{ 'retry-after': '2' }, 2000],
    [{ 'retry-after': ' 0.5 ' }, 500],
    [{ 'retry-after': '2', 'retry-after-ms': '150' }, 150],
    [{ 'retry-after': new Date(now + 3000).toUTCString() }, 3000],
    [{ 'retry-after': new Date(now - 3000).toUTCString() }, 0],
    [{ 'retry-after': new Date(now + 3000).toUTCString(), date: new Date(now + 1000).toUTCString() }, 2000],
    [{ 'retry-after': '86400' }, 60_000],
    [{ 'retry-after': 'soon' }, null],
  ];
  for (const [headers, ms] of cases) assert.equal(readRetryAfter(headers, now), ms, JSON.stringify(headers));
});
