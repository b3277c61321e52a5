import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lane, readIngressStatus } from '@penstock/protocol';
import { MemoryWorkQueue } from '@penstock/transport/memory';
import type { OpenRequest } from './dispatch/open-request.ts';
import { emptyIngressMetrics } from './metrics.fixture.ts';
import { StatusReporter } from './status.ts';

function startReporter(requests: readonly Partial<OpenRequest>[] = []) {
  const control = new MemoryWorkQueue({ now: () => 0 });
  const metrics = emptyIngressMetrics();
  const reporter = new StatusReporter({
    ...{ ingressId: 'in-1', region: 'eu', incarnation: 'p1', control, metrics },
    open: { size: requests.length, all: () => requests as OpenRequest[] },
    clock: { now: () => 0, monotonic: () => 10_000 },
  });
  const told = async (leaving = false) => {
    await reporter.tell(leaving);
    const { address, payload } = control.sent.items.at(-1) ?? assert.fail('nothing was sent');
    return { address, status: readIngressStatus(payload, 'in-1') ?? assert.fail('it cannot be read') };
  };
  return { metrics, told };
}

const waiting = (slug: string, lane: Lane, openedAt: number, about: object = {}) =>
  ({ slug, openedAt, running: null, unsent: null, address: { lane }, ...about }) as OpenRequest;

test('what a node tells of itself is what its metrics say', async () => {
  const { metrics, told } = startReporter();
  metrics.placements.inc({ reason: 'cached' }, 2);
  metrics.placements.inc({ reason: 'no_match' }, 3);
  metrics.finished.inc({ outcome: 'done' }, 4);
  metrics.promptTokens.inc({ model: 'a' }, 100);
  metrics.promptTokens.inc({ model: 'b' }, 20);
  metrics.cachedTokens.inc({ model: 'a' }, 60);
  const labels = { lane: 'interactive' };
  metrics.ttft.observe({ ...labels, model: 'a' }, 0.02);
  metrics.ttft.observe({ ...labels, model: 'b' }, 3);
  metrics.ttft.observe({ ...labels, model: 'a' }, 5000);
  const { address, status } = await told();
  assert.deepEqual(address, { kind: 'ingress_status', region: 'eu', ingress: 'in-1' });
  assert.deepEqual([status.arrivals, status.finished, status.leaving], [5, { done: 4 }, false]);
  assert.deepEqual(status.placements, { cached: 2, no_match: 3 });
  assert.deepEqual([status.promptTokens, status.cachedTokens], [{ a: 100, b: 20 }, { a: 60 }]);
  const upTo = (bound: number) => status.ttft.counts[status.ttft.bounds.indexOf(bound)];
  assert.deepEqual([upTo(0.01), upTo(0.02), upTo(5), status.ttft.counts.at(-1)], [0, 1, 2, 3]);
  assert.equal(status.queueWait.counts.length, status.queueWait.bounds.length + 1);
  assert.equal((await told(true)).status.leaving, true);
});

test('what waits is told by model and lane, the longest waiting first; what a worker has does not wait', async () => {
  const { told } = startReporter([
    waiting('a', 'interactive', 9000),
    waiting('a', 'interactive', 8500, { unsent: {} }),
    waiting('b', 'interactive', 4000),
    waiting('b', 'background', 9900),
    waiting('b', 'interactive', 0, { running: {} }),
  ]);
  const { status } = await told();
  assert.equal(status.open, 5);
  assert.deepEqual(status.waiting, [
    { slug: 'b', lane: 'interactive', requests: 1, atDoor: 0, oldestMs: 6000 },
    { slug: 'a', lane: 'interactive', requests: 2, atDoor: 1, oldestMs: 1500 },
    { slug: 'b', lane: 'background', requests: 1, atDoor: 0, oldestMs: 100 },
  ]);
});
