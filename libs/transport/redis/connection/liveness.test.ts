import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { RedisLiveness, tellTime } from './liveness.ts';

test('a connection is answering while it is open and its questions are answered', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const questions: (() => void)[] = [];
  const redis = Object.assign(new EventEmitter(), {
    status: 'connecting',
    ping: () => new Promise<void>(resolve => questions.push(resolve)),
  });
  const to = (status: string) => {
    redis.status = status;
    redis.emit(status);
  };
  const told: boolean[] = [];
  const liveness = new RedisLiveness(redis as unknown as Redis);
  liveness.onChange(isAnswering => told.push(isAnswering));
  const pass = async (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 50;
      t.mock.timers.tick(50);
      await turn();
    }
  };
  assert.equal(liveness.isAnswering, false);
  to('ready');
  await pass(300);
  assert.deepEqual([questions.length, liveness.isAnswering], [1, true]);
  await pass(700);
  assert.deepEqual([questions.length, liveness.isAnswering], [1, false], 'it is not asked twice');
  questions[0]?.();
  await turn();
  assert.equal(liveness.isAnswering, true);
  await pass(1000);
  assert.equal(liveness.isAnswering, false);
  to('close');
  to('ready');
  assert.equal(liveness.isAnswering, true, 'the new connection owes no answer yet');
  await pass(250);
  questions.at(-1)?.();
  await turn();
  to('close');
  await pass(500);
  assert.equal(liveness.isAnswering, true, 'it is mostly opened anew at once');
  await pass(350);
  assert.deepEqual([liveness.isAnswering, told], [false, [true, false, true, false, true, false]]);
  to('close');
  to('ready');
  assert.deepEqual([liveness.isAnswering, told.at(-1)], [true, true]);
  to('end');
  const asked = questions.length;
  await pass(1000);
  assert.equal(questions.length, asked);
});

test('connections opened one after the other are asked at the same moment, and each until it ends', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const asked: string[] = [];
  const open = (name: string) => {
    const ping = async () => void asked.push(name);
    const redis = Object.assign(new EventEmitter(), { status: 'ready', ping });
    new RedisLiveness(redis as unknown as Redis);
    return redis;
  };
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await turn();
    return asked.splice(0);
  };
  const first = open('first');
  assert.deepEqual(await pass(200), []);
  const second = open('second');
  assert.deepEqual(await pass(50), ['first', 'second']);
  assert.deepEqual(await pass(249), []);
  first.emit('end');
  assert.deepEqual(await pass(1), ['second']);
  second.emit('end');
  assert.deepEqual(await pass(1000), []);
  const third = open('third');
  assert.deepEqual(await pass(250), ['third']);
  third.emit('end');
});

test('what this process was too busy to read is no silence of Redis', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  let answer = () => {};
  const ping = () =>
    new Promise<void>(resolve => {
      answer = resolve;
    });
  const redis = Object.assign(new EventEmitter(), { status: 'ready', ping });
  const told: boolean[] = [];
  const liveness = new RedisLiveness(redis as unknown as Redis);
  redis.emit('ready');
  liveness.onChange(isAnswering => told.push(isAnswering));
  for (let busy = 0; busy < 5; busy++) {
    // The timer of a loop that was busy runs before the answer is read that came meanwhile.
    now += 3000;
    t.mock.timers.tick(250);
    assert.equal(liveness.isAnswering, true);
    answer();
    await turn();
  }
  assert.deepEqual(told, []);
  redis.emit('end');
});

test('what Redis says that the time is comes with when it was asked and when it answered', async t => {
  let now = 5;
  t.mock.method(performance, 'now', () => now);
  const time = async () => {
    now = 9;
    return ['1700000000', '250500'];
  };
  const heard: number[][] = [];
  await tellTime({ time } as unknown as Redis, { now: () => 0, hear: (...about) => void heard.push(about) });
  assert.deepEqual(heard, [[1_700_000_000_250.5, 5, 9]]);
});

test('a connection that tells the time is asked for it instead', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const asked: string[] = [];
  const redis = Object.assign(new EventEmitter(), {
    status: 'ready',
    ping: async () => asked.push('ping'),
    time: async () => asked.push('time') && ['1', '0'],
  });
  const heard: number[] = [];
  new RedisLiveness(redis as unknown as Redis, {
    now: () => 0,
    hear: serverMs => void heard.push(serverMs),
  });
  t.mock.timers.tick(250);
  await turn();
  assert.deepEqual([asked, heard], [['time'], [1000]]);
  redis.emit('end');
});
