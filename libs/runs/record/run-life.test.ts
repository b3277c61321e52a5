import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineDeadline, RECORD_SLACK_MS, recordLifeMs, runTimeoutMs } from './run-life.ts';

const HOUR_MS = 3600 * 1000;

test('a run waits for a day, or for what its client says, up to an hour', () => {
  assert.equal(runTimeoutMs(undefined), 24 * HOUR_MS);
  assert.equal(runTimeoutMs('1500.5'), 1501);
  assert.equal(runTimeoutMs('99999999999'), HOUR_MS);
});

test('a record outlives its run, and a line its batch', () => {
  assert.equal(recordLifeMs(1000), 1000 + RECORD_SLACK_MS);
  assert.ok(lineDeadline(1000) > 1000);
});
