/** A cluster of three nats-servers whose leader is killed under requests: they wait for the next leader, and none is refused or lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { deadStream, workStream } from '@penstock/protocol';
import { NatsWorkQueue } from '@penstock/transport';
import { startNatsCluster } from '../../testkit/nats.ts';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

test('no request is refused or lost when the leader of the queue is killed', async t => {
  const cluster = await startNatsCluster();
  t.after(() => cluster.stop());
  // As of a region that began with one copy.
  await waitFor(async () => {
    const before = await NatsWorkQueue.connect({ url: cluster.url, name: 'before' });
    const made = before.ensureWorkStream('local', 0, { maxMessages: 100, maxBytes: 1e8 });
    await made.finally(() => before.close());
    return true;
  });
  await using stack = await startStack({
    natsUrl: cluster.url,
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_NATS_REPLICAS: '3' },
  });
  const operator = await connect({ servers: cluster.url.split(','), maxReconnectAttempts: -1 });
  t.after(() => operator.close());
  const { streams } = await jetstreamManager(operator);
  const stream = workStream('local', 0);
  for (const name of [stream, deadStream('local')])
    assert.equal((await streams.info(name)).config.num_replicas, 3);
  const leader = async () => (await streams.info(stream)).cluster?.leader ?? '';
  const first = await leader();

  const asked: Promise<void>[] = [];
  const ask = async (n: number) => {
    const body = chat(`question ${n}`, { max_tokens: 20 });
    const { status, done, tokens, error } = await readChat(stack, body);
    assert.deepEqual({ status, done, error }, { status: 200, done: true, error: null });
    assert.deepEqual(tokens, expectedTokens(promptHash(body), 20));
  };
  const asking = setInterval(() => asked.push(ask(asked.length)), 50);
  try {
    await waitFor(() => asked.length > 5);
    await cluster.server(first)?.kill();
    await waitFor(async () => ![first, ''].includes(await leader()));
    const since = asked.length;
    await waitFor(() => asked.length > since + 10);
  } finally {
    clearInterval(asking);
  }
  await Promise.all(asked);
});
