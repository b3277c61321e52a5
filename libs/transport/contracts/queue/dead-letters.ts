/** What every work queue has to do with dead letters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeEnvelope,
  sharedAddress,
  type WorkEnvelope,
  type WorkMeta,
  type WorkQueueKey,
} from '@penstock/protocol';
import type { WorkQueue } from '../../ports/queue/work-queue.ts';

const REGION = 'eu';
const LIMITS = { maxMessages: 1000, maxBytes: 100_000_000 };
const KEY: WorkQueueKey = {
  ...{ region: REGION, shard: 0, slug: 'dropped' },
  ...({ lane: 'interactive', size: 'short' } as const),
};
const META: WorkMeta = {
  ...({ v: 1, id: '', from: 'in-1', endpoint: 'chat', model: 'm', slug: 'dropped', stream: false } as const),
  ...({ lane: 'interactive', size: 'short', promptTokens: 1, maxTokens: null, fleetRate: 0 } as const),
  ...{ acceptedAt: 0, deadlineAt: 1000, attemptBase: 0, stored: false, ask: false, held: {} },
};

/** Registers the tests. */
export function testDeadLetters(subject: () => { readonly queue: WorkQueue }): void {
  const failure = { code: 'engine_error', message: 'no' };
  const die = async (id: string, more: object) => {
    const { queue } = subject();
    const at = sharedAddress(KEY, id);
    const body = encodeEnvelope({ ...META, id, ...more }, Buffer.from('asked'));
    await queue.publish(at, body, { messageId: `dropped-${id}`, ttlMs: 60_000 });
    const discarded: string[] = [];
    const keeping = {
      sealedKept: async (work: WorkEnvelope) => work,
      discard: async (meta: WorkMeta) => void discarded.push(meta.id),
    };
    await queue.moveToDead(at, failure, keeping);
    await queue.clear(at);
    return discarded;
  };
  const held = async (...ids: string[]) => {
    const { queue } = subject();
    return (await Promise.all(ids.map(id => queue.holds(REGION, 1, id)))).map(String).join(' ');
  };

  test('a dead letter is deleted by its request, or with all that is part of the same', async () => {
    const { queue } = subject();
    await queue.ensureWorkStream(REGION, 0, LIMITS);
    await queue.ensureDeadStream(REGION);
    for (const [id, more] of Object.entries({ p1: {}, p2: { partOf: 'c1' }, p3: { partOf: 'c1' } }))
      await die(id, more);
    await die('p4', { partOf: 'c2' });
    assert.equal(await held('p1', 'p2', 'p3', 'p4'), 'true true true true');
    await queue.dropDead(REGION, { partOf: 'c1' });
    assert.equal(await held('p1', 'p2', 'p3', 'p4'), 'true false false true');
    for (const id of ['p1', 'p4', 'never']) await queue.dropDead(REGION, { id });
    assert.equal(await held('p1', 'p4'), 'false false');
  });

  test('what a client wants nothing kept of leaves a dead letter whose body in the store goes', async () => {
    assert.deepEqual(await die('p5', {}), []);
    assert.deepEqual(await die('p6', { store: false }), ['p6']);
    assert.equal(await held('p5', 'p6'), 'true true');
  });
}
