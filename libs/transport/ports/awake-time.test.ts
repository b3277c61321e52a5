import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AwakeTime, afterAwake } from './awake-time.ts';

test('time passes as by the clock while the timer ticks, and a late tick counts for two', () => {
  let now = 1000;
  const time = new AwakeTime(250, () => now);
  const since = time.ms;
  const pass = (ms: number) => {
    now += ms;
    return time.ms - since;
  };
  assert.equal(pass(100), 100);
  assert.equal(pass(150), 250);
  time.tick();
  assert.equal(pass(400), 650);
  assert.equal(pass(10_000), 750, 'it was not awake');
  time.tick();
  assert.equal(pass(250), 1000);
});

test('what is overdue is so once the process was awake for as long', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  let calls = 0;
  afterAwake(8000, () => calls++);
  const callOff = afterAwake(8000, () => assert.fail('it was called off'));
  const pass = (ms: number, times: number) => {
    for (let i = 0; i < times; i++) {
      now += ms;
      t.mock.timers.tick(1000);
    }
  };
  pass(60_000, 1);
  assert.equal(calls, 0, 'a minute in which nothing was read says nothing of others');
  pass(1000, 5);
  callOff();
  assert.equal(calls, 0);
  pass(1000, 3);
  assert.equal(calls, 1);
});
