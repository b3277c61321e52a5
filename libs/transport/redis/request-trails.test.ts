import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { RedisRequestTrails } from './request-trails.ts';

test('when everything fails, a part of the trails is kept, and no call waits or throws', () => {
  const added: string[] = [];
  const chain = {
    rpush: (key: string) => {
      added.push(key);
      return chain;
    },
    ltrim: () => chain,
    expire: () => chain,
    zadd: () => chain,
    zremrangebyrank: () => chain,
    exec: () => Promise.reject(new Error('away')),
  };
  let now = 5000;
  const redis = { status: 'ready', multi: () => chain };
  const trails = new RedisRequestTrails(redis as unknown as Redis, () => now);
  const event = { kind: 'ended', at: 1, by: 'x' } as const;
  for (let i = 0; i < 1000; i++) trails.append(`r${i}`, [event]);
  assert.equal(added.length, 20);
  now += 1000;
  trails.append('later', [event]);
  assert.equal(added.at(-1), 'penstock:trail:later');
  redis.status = 'reconnecting';
  trails.append('never', [event]);
  assert.equal(added.length, 21);
});
