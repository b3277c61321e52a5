import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterProbe, afterRequest, afterTrial, type EngineHealth, WELL, wantsTrial } from './health.ts';

/** Requests, `x` for one that failed, and after each failure a trial if one is wanted. */
function live(requests: string, trial: (failure: number) => boolean, from = WELL): EngineHealth {
  let health = from;
  let failures = 0;
  for (const request of requests) {
    health = afterRequest(health, request !== 'x');
    if (health.unjudged > 0) health = afterTrial(health, trial(failures++) ? 'passed' : 'failed');
  }
  return health;
}
const broken = () => false;
const fine = () => true;

test('an engine that fails everything is sick after two requests, harmless ones included', () => {
  assert.equal(live('x', broken).state, 'well');
  assert.equal(live('xx', broken).state, 'sick');
});

test('prompts that an engine cannot stand cost it nothing, however many and different they are', () => {
  const poisoned = live('xxxx.xxxx.'.repeat(20), fine);
  assert.deepEqual(poisoned, WELL);
  // Nothing is held against it while the trial is under way either.
  let health = WELL;
  for (let i = 0; i < 50; i++) health = afterRequest(health, false);
  assert.deepEqual([health.state, health.errorRate, wantsTrial(health)], ['well', 0, true]);
  assert.deepEqual(afterTrial(health, 'passed'), WELL);
});

test('an engine that fails some requests, whatever they are, is found out and its failures count from then on', () => {
  const everyThird = (failure: number) => failure % 3 !== 2;
  const grey = live('x..'.repeat(30), everyThird);
  assert.ok(grey.errorRate > 0.2, `${grey.errorRate}`);
  assert.equal(grey.state, 'well');
  let passed = grey;
  while (wantsTrial(passed)) passed = afterTrial(passed, 'passed');
  assert.equal(afterRequest(passed, false).errorRate, passed.errorRate, 'trusted again');
});

test('an engine in doubt is sick after a streak of three, or if it fails most of the time', () => {
  const doubted: EngineHealth = { ...WELL, doubt: 1 };
  assert.equal(live('xx.xx', broken, doubted).state, 'well');
  assert.equal(live('xxx', broken, doubted).state, 'sick');
  assert.equal(live('xx.'.repeat(7), broken, doubted).state, 'sick');
});

test('a trial that the engine refuses shows nothing: its failures count as its own', () => {
  let health = WELL;
  for (let i = 0; i < 3; i++) health = afterTrial(afterRequest(health, false), 'unknown');
  assert.deepEqual([health.state, health.doubt], ['sick', 0]);
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

test('one that requests made sick comes back in doubt: its next failures count at once', () => {
  const back = afterProbe(afterProbe(live('xx', broken), true), true);
  assert.deepEqual([back.state, back.doubt > 0], ['well', true]);
  assert.equal(live('xxx', broken, back).state, 'sick');
  assert.deepEqual(afterTrial(back, 'failed'), { ...back, doubt: 5 }, 'a trial alone makes no engine sick');
});
