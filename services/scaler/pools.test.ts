import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePools } from './pools.ts';

const one = (more: object = {}) => JSON.stringify([{ name: 'h100', models: ['llama'], ...more }]);

test('a pool is read with what it does not say', () => {
  const [pool] = parsePools(one({ schedule: [{ days: ['mon'], from: '08:00', to: '24:00', min: 3 }] }));
  assert.deepEqual(pool, {
    ...{ name: 'h100', models: ['llama'], slots: 128, speed: 1, startS: 180, zeroAfterS: 900 },
    ...{ pricePerHour: 0, least: 1, most: 8, workload: 'penstock-worker-h100' },
    schedule: [{ days: [1], from: 480, to: 1440, zone: 'UTC', least: 3 }],
  });
});

test('what is wrong is told with the pool and the field', () => {
  const mistakes: [text: string, told: RegExp][] = [
    ['nonsense', /not valid JSON; use \[/],
    ['{}', /./],
    ['[]', /use \[/],
    [one({ min: 9 }), /pool h100: min is more than max/],
    [one({ slots: 0 }), /pool h100, slots: /],
    [one({ color: 1 }), /pool h100: .*color/],
    [
      one({ schedule: [{ from: '8', to: '9:00', min: 1 }] }),
      /pool h100, schedule\.0\.from: give a time as 08:30/,
    ],
    [one({ schedule: [{ from: '08:00', to: '09:00' }] }), /give min, max or both/],
    [one({ schedule: [{ from: '08:00', to: '09:00', min: 1, zone: 'Mars' }] }), /time zone/],
    [
      JSON.stringify([
        { name: 'a', models: ['x'] },
        { name: 'a', models: ['x'] },
      ]),
      /pool a is there twice/,
    ],
    [
      JSON.stringify([
        { name: 'a', models: ['x', 'y'] },
        { name: 'b', models: ['y'] },
      ]),
      /pool b shares the model y/,
    ],
  ];
  for (const [text, told] of mistakes) assert.throws(() => parsePools(text), told, text);
});
