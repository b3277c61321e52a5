import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import { serveControl } from './control-role.ts';

type Callback = (err: Error | null, msg: object) => void;

/** An ingress between fakes: what it makes, what it publishes, and how many orders it has refused. */
function startServing() {
  let deliverTo: Callback = () => {};
  const made: string[] = [];
  const published: string[] = [];
  let refused = 0;
  const nc = {
    isClosed: () => false,
    subscribe: (_subject: string, { callback }: { callback: Callback }) => {
      deliverTo = callback;
    },
  };
  const means = {
    topology: {
      ensureConsumer: async () => assert.fail(),
      ensureBoundConsumer: async (region: string, shard: number, worker: string) =>
        void made.push(`${region} ${shard} ${worker}`),
    },
    publisher: { moveToDead: async () => assert.fail() },
  };
  serveControl(nc as unknown as NatsConnection, means, {
    ...{ region: 'eu', shards: 2, ackWaitMs: 1000 },
    trouble: err => assert.fail(err),
    onRefused: () => void refused++,
  });
  /** Resolves once the order is dealt with. */
  const order = async (text: string, reply: string) => {
    deliverTo(null, {
      ...{ data: Buffer.from(text), reply },
      respond: (answer: string) => published.push(`${reply} ${answer}`),
    });
    await new Promise(setImmediate);
  };
  return { order, made, published, refused: () => refused };
}

const BOUND = JSON.stringify({ do: 'bound', shard: 1, worker: 'w-1' });

test('whoever orders is answered at an inbox, and nothing is published elsewhere', async () => {
  const { order, made, published } = startServing();
  await order(BOUND, '_INBOX.w-1.a');
  for (const reply of ['victim.subject', '$JS.API.STREAM.PURGE.WORK_eu_0', 'ctl.worker.w-2', ''])
    for (const text of [BOUND, 'no order']) await order(text, reply);
  assert.deepEqual(published, ['_INBOX.w-1.a {"done":true}']);
  assert.equal(made[0], 'eu 1 w-1');
});

test('what is no order, or of another region or shard, is refused and told', async () => {
  const { order, made, published, refused } = startServing();
  const dead = { do: 'dead', code: 'c', message: 'm' };
  const wrong = [
    ...['', '{', '{"do":"purge"}', JSON.stringify({ do: 'bound', shard: 2, worker: 'w-1' })],
    JSON.stringify({ ...dead, subject: 'victim.subject' }),
    JSON.stringify({ ...dead, subject: 'work.us.0.m.batch.any.any.r1' }),
  ];
  for (const text of wrong) await order(text, '_INBOX.a');
  assert.deepEqual(published, Array(6).fill('_INBOX.a {"done":false}'));
  assert.deepEqual([made, refused()], [[], 6]);
});
