import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flooded, runFairness } from './fairness-plan.ts';

const SECONDS = 30;
const FLOOD = { tenants: flooded(2, 50), short: true };
const off = runFairness({ ...FLOOD, doors: null }, SECONDS);

for (const nodes of [1, 3]) {
  test(`one project that sends fifty times as much makes the others wait no longer; ingress nodes: ${nodes}`, () => {
    const on = runFairness({ ...FLOOD, doors: { nodes } }, SECONDS);
    for (const owner of ['a', 'b', 'c', 'd']) {
      assert.ok((off.byOwner.get(owner)?.waitP99S ?? 0) > 15);
      assert.ok((on.byOwner.get(owner)?.waitP99S ?? 99) < 2, `${owner} waits`);
    }
    assert.ok(on.drainedS <= 1.01 * off.drainedS, 'nothing is left idle for it');
  });
}

test('projects that all have more than their share to do are served by weight', () => {
  const weights: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3 };
  const doors = { nodes: 2, weightOf: (owner: string) => weights[owner] ?? 1 };
  const tenants = Object.keys(weights).map(owner => ({ owner, load: 30 }));
  const { byOwner } = runFairness({ tenants, short: true, doors }, SECONDS);
  for (const [owner, weight] of Object.entries(weights)) {
    const off = (byOwner.get(owner)?.share ?? 0) / (weight / 6);
    assert.ok(off > 0.85 && off < 1.25, `${owner} gets ${off} of what it should`);
  }
});
