import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ModelInfo, queueKeys, queueOf, sharedAddress } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { MemoryWorkQueue } from '@penstock/transport/memory';
import { UnservedQueues } from './unserved-queues.ts';

const SILENT = { info() {}, warn() {} } as unknown as Logger;

function modelOf(slug: string, created: number): ModelInfo {
  const rest = { name: slug, ownedBy: 'x', architecture: null };
  return { slug, created, ...rest, endpoints: ['chat', 'rerank'] } as unknown as ModelInfo;
}

async function world(most?: number) {
  const state = { unserved: [] as ModelInfo[], failed: [] as string[] };
  const queue = new MemoryWorkQueue({ now: () => 0 });
  for (const shard of [0, 1]) await queue.ensureWorkStream('eu', shard, { maxMessages: 100, maxBytes: 1e6 });
  const queues = new UnservedQueues({
    fleet: { unservedModels: () => state.unserved },
    ...{ queue, region: 'eu', shards: 2, log: SILENT },
    ...(most === undefined ? {} : { most }),
    watch: { failed: what => state.failed.push(what) },
  });
  /** What waits in each queue of a slug; null where the queue is not there. */
  const waiting = (slug: string, shard = 0) =>
    Promise.all(
      queueKeys('eu', shard, slug, true).map(async key => (await queue.queueState(key))?.pending ?? null),
    );
  return { state, queue, queues, waiting };
}

test('what waits for a model without workers and without a queue is seen again, in each shard and for each endpoint', async () => {
  const { state, queue, queues, waiting } = await world();
  const model = modelOf('big', 1);
  const rerank = queueOf(model, 'rerank') ?? assert.fail();
  for (const slug of ['big', rerank]) {
    const address = sharedAddress(queueKeys('eu', 0, slug, false)[0] ?? assert.fail(), `r-${slug}`);
    await queue.publish(address, Buffer.from('x'), { messageId: slug, ttlMs: 1e6 });
  }
  await queues.look();
  assert.deepEqual(await waiting('big'), [null, null, null, null, null]);
  state.unserved = [model];
  await queues.look();
  assert.deepEqual(await waiting('big'), [1, 0, 0, 0, 0]);
  assert.deepEqual(await waiting('big', 1), [0, 0, 0, 0, 0]);
  assert.deepEqual(await waiting(rerank), [1, null, null, 0, 0], 'endpoints have no sizes');
  assert.deepEqual(state.failed, []);
});

test('a stream that is half full of consumers gets those of the latest models', async () => {
  const { state, queues, waiting } = await world(8);
  state.unserved = [modelOf('old', 1), modelOf('new', 2)];
  await queues.look();
  assert.deepEqual(await waiting('new'), [0, 0, 0, 0, 0]);
  assert.deepEqual(await waiting('old'), [null, null, null, null, null]);
});

test('a broker that is away is asked again, and it is counted', async () => {
  const { state, queue, queues, waiting } = await world();
  state.unserved = [modelOf('m', 1)];
  queue.setConnected(false);
  await queues.look();
  assert.deepEqual(state.failed, ['queues']);
  queue.setConnected(true);
  await queues.look();
  assert.deepEqual(await waiting('m'), [0, 0, 0, 0, 0]);
});
