import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EqualSettings } from './equal-settings.ts';

test('a setting that another process has otherwise is told with both values and names, and not every time', async () => {
  let others = [{ setting: 'PENSTOCK_ACK_WAIT_MS', value: '30000', by: 'w-1' }];
  const said: string[] = [];
  const equal = new EqualSettings({
    nodes: { compare: async () => others },
    by: 'in-1',
    settings: { PENSTOCK_ACK_WAIT_MS: '10000' },
    log: { warn: (_: object, text: string) => void said.push(text) } as never,
  });
  for (let i = 0; i < 3; i++) await equal.compare();
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /PENSTOCK_ACK_WAIT_MS is 10000 here and 30000 at w-1/);
  others = [];
  await equal.compare();
  others = [{ setting: 'PENSTOCK_ACK_WAIT_MS', value: '30000', by: 'w-2' }];
  await equal.compare();
  assert.equal(said.length, 2, 'it is told again once it was mended');
  for (let i = 0; i < 130; i++) await equal.compare();
  assert.equal(said.length, 3, 'and where it lasts');
});

test('a Redis that is away is no difference', async () => {
  const log = { warn: () => assert.fail() } as never;
  const nodes = { compare: async () => Promise.reject(new Error('away')) };
  await new EqualSettings({ nodes, by: 'in-1', settings: {}, log }).compare();
});
