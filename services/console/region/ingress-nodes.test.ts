import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IngressStatus } from '@penstock/protocol';
import { growth } from './growing-counts.ts';
import { IngressNodes } from './ingress-nodes.ts';
import { countBetween } from './latencies.ts';

const counts = (n: number) => ({ bounds: [1], counts: [n, n] });
const statusOf = (some: Partial<IngressStatus> & { ended?: number } = {}): IngressStatus => ({
  ...{ v: 1, ingress: 'in-1', incarnation: 'p1', leaving: false, open: 3, arrivals: 0, finished: {} },
  ...{ ttft: counts(some.ended ?? 0), queueWait: counts(some.ended ?? 0), waiting: [] },
  ...{ placements: {}, promptTokens: {}, expectedTokens: {}, cachedTokens: {} },
  ...some,
});

function startNodes() {
  let nowMs = 0;
  const nodes = new IngressNodes({ now: () => nowMs, monotonic: () => nowMs });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { nodes, pass };
}

test('rates are what a node counted over the time it took, also when messages come together', () => {
  const { nodes, pass } = startNodes();
  nodes.hear(statusOf({ arrivals: 1000, finished: { done: 900 } }));
  assert.deepEqual(nodes.totals(), { open: 3, arrivalsPerS: 0, servedPerS: 0 });
  pass(2000);
  nodes.hear(statusOf({ arrivals: 1020, finished: { done: 910 } }));
  pass(5);
  nodes.hear(statusOf({ arrivals: 1021, finished: { done: 911 } }));
  assert.deepEqual(nodes.totals(), { open: 3, arrivalsPerS: 10, servedPerS: 5 });
  assert.equal(nodes.rows()['in-1']?.arrivals, 1021);
});

test('what a node counted before it was met is not of the last minute; what a new process of it counts is', () => {
  const { nodes } = startNodes();
  nodes.hear(statusOf({ ended: 500, finished: { attempts_spent: 7, done: 1 } }));
  const from = nodes.counts;
  nodes.hear(statusOf({ ended: 510, finished: { attempts_spent: 8 } }));
  nodes.hear(statusOf({ ended: 4, incarnation: 'p2', finished: { deadline: 2 } }));
  assert.equal(countBetween(from.ttft, nodes.counts.ttft), 14);
  assert.equal(nodes.counts.failed - from.failed, 3);
});

test('placements and prompts are counted by name, over all nodes and processes', () => {
  const { nodes } = startNodes();
  nodes.hear(statusOf({ placements: { cached: 100 }, promptTokens: { m: 1000 }, cachedTokens: { m: 900 } }));
  const { traffic: from } = nodes.counts;
  nodes.hear(statusOf({ placements: { cached: 103, no_match: 2 }, promptTokens: { m: 1500 } }));
  nodes.hear(statusOf({ incarnation: 'p2', placements: { cached: 1 }, promptTokens: { other: 7 } }));
  const { traffic: to } = nodes.counts;
  assert.deepEqual(growth(from.placements, to.placements), { cached: 4, no_match: 2 });
  assert.deepEqual(growth(from.promptTokens, to.promptTokens), { m: 500, other: 7 });
  assert.deepEqual(growth(from.cachedTokens, to.cachedTokens), {});
});

test('a silent node is said to be silent, counts in no sum, and is forgotten after a minute', () => {
  const { nodes, pass } = startNodes();
  nodes.hear(
    statusOf({ waiting: [{ slug: 'm', lane: 'interactive', requests: 2, atDoor: 0, oldestMs: 100 }] }),
  );
  pass(2000);
  assert.deepEqual(nodes.waiting(), [
    { slug: 'm', lane: 'interactive', requests: 2, atDoor: 0, oldestMs: 2100 },
  ]);
  pass(2000);
  assert.deepEqual([nodes.rows()['in-1']?.state, nodes.rows()['in-1']?.silentS], ['silent', 4]);
  assert.deepEqual([nodes.totals().open, nodes.waiting()], [0, []]);
  pass(60_000);
  nodes.sweep();
  assert.deepEqual(nodes.rows(), {});
});

test('a node that leaves is gone at once, unless another process has its name already', () => {
  const { nodes } = startNodes();
  nodes.hear(statusOf());
  nodes.hear(statusOf({ incarnation: 'p2' }));
  nodes.hear(statusOf({ leaving: true }));
  assert.equal(nodes.rows()['in-1']?.state, 'up');
  nodes.hear(statusOf({ incarnation: 'p2', leaving: true }));
  assert.deepEqual(nodes.rows(), {});
});
