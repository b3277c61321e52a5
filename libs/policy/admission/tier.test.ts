import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideTier } from './tier.ts';

const TIERS = ['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'];

test('a tier moves work one lane up or down from where it would be', () => {
  assert.deepEqual(decideTier(null, true), { lane: 'interactive', used: 'default' });
  assert.deepEqual(decideTier(null, false), { lane: 'background', used: 'default' });
  assert.deepEqual(decideTier('flex', true), { lane: 'background', used: 'flex' });
  assert.deepEqual(decideTier('flex', false), { lane: 'batch', used: 'flex' });
  assert.deepEqual(decideTier('fast', false), { lane: 'interactive', used: 'priority' });
});

test('no tier is worse off when its client waits', () => {
  const lanes = ['interactive', 'background', 'batch'];
  for (const tier of TIERS)
    assert.ok(lanes.indexOf(decideTier(tier, true).lane) <= lanes.indexOf(decideTier(tier, false).lane));
});
