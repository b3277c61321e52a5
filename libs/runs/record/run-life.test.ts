import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  lineDeadline,
  listedMs,
  RECORD_SLACK_MS,
  RUNNING_SLACK_MS,
  recordLifeMs,
  runTimeoutMs,
} from './run-life.ts';

const HOUR_MS = 3600 * 1000;

test('a run waits for a day, or for less if its client says so', () => {
  assert.equal(runTimeoutMs(undefined), 24 * HOUR_MS);
  assert.equal(runTimeoutMs('1500.5'), 1501);
  assert.equal(runTimeoutMs(String(3 * HOUR_MS)), 3 * HOUR_MS, 'longer than any call');
  assert.equal(runTimeoutMs('99999999999'), 24 * HOUR_MS);
  assert.equal(runTimeoutMs('soon'), 24 * HOUR_MS);
});

test('a record outlives its run, and a line its batch', () => {
  assert.equal(recordLifeMs(1000), 1000 + RECORD_SLACK_MS);
  assert.ok(lineDeadline(1000) > 1000);
});

test('a run is listed for as long as its answer can be read, also one that waited and ran as long as it may', () => {
  assert.equal(listedMs({ recordMs: 5 }), runTimeoutMs(undefined) + RUNNING_SLACK_MS + 5);
});
