import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterProbe, afterRequest, WELL } from './health.ts';

test('three failures in a row make an engine sick, single ones do not', () => {
  let health = WELL;
  for (const ok of [false, false, true, false, false]) health = afterRequest(health, ok);
  assert.equal(health.state, 'well');
  assert.equal(afterRequest(health, false).state, 'sick');
});

test('an engine that fails most of the time is sick even without a streak of three', () => {
  let health = WELL;
  for (let i = 0; i < 20 && health.state === 'well'; i++) health = afterRequest(health, i % 3 === 2);
  assert.equal(health.state, 'sick');
});

test('two bad probes send it away, two good ones bring it back with a memory of trouble', () => {
  let health = afterProbe(WELL, false);
  assert.equal(health.state, 'well');
  health = afterProbe(health, false);
  assert.equal(health.state, 'sick');
  health = afterProbe(health, true);
  assert.equal(health.state, 'sick');
  assert.equal(afterProbe(health, false).goodProbes, 0);
  assert.equal(afterProbe(health, true).state, 'well');
});
