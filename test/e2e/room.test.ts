/** A worker takes what its engine's memory can hold, and the operator says where the size classes end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { workConsumer, workStream } from '@penstock/protocol';
import { chat, readChat, type Stack, startStack } from '../../testkit/stack.ts';

const REQUESTS = 12;
/** 4,000 tokens, as the simulated engine counts them. */
const PROMPT = 'word '.repeat(3200);

/** Messages that a size class of interactive work delivered. */
async function delivered(stack: Stack, size: 'short' | 'medium' | 'long'): Promise<number> {
  const nc = await connect({ servers: stack.nats.url });
  try {
    const key = { region: 'local', shard: 0, slug: 'sim-chat', lane: 'interactive', size } as const;
    const jsm = await jetstreamManager(nc);
    const info = await jsm.consumers.info(workStream('local', 0), workConsumer(key));
    return info.delivered.consumer_seq;
  } finally {
    await nc.close();
  }
}

test('requests wait in the queue, not in an engine whose KV memory is full', async () => {
  // Three of these prompts with their answers fit; there are slots for all.
  const engine = { profile: 'dense-8b-h100', timeScale: 4, kvBlocks: 1000, blockTokens: 16 };
  const env = { PENSTOCK_SIZE_BOUNDARIES: '100,200' };
  await using stack = await startStack({ engines: [engine], ingressEnv: env, workerEnv: env });
  const [sim] = stack.engines;
  assert.ok(sim);
  await readChat(stack, chat('warm up', { max_tokens: 1 }));
  const warmUps = await delivered(stack, 'short');
  assert.ok(warmUps >= 1);
  // From this answer the ingress learns how this engine counts such text.
  const usage = { stream: true, stream_options: { include_usage: true } };
  await readChat(stack, chat(PROMPT, { max_tokens: 1, ...usage }));
  let [mostWaiting, mostRunning] = [0, 0];
  const watch = setInterval(() => {
    const { running, waiting } = sim.stats();
    mostWaiting = Math.max(mostWaiting, waiting);
    mostRunning = Math.max(mostRunning, running + waiting);
  }, 5);
  const ask = (n: number) => readChat(stack, chat(`${n} ${PROMPT}`, { max_tokens: 200 }));
  const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, n) => ask(n)));
  clearInterval(watch);
  assert.ok(answers.every(answer => answer.status === 200 && answer.tokens.length === 200));
  assert.ok(mostRunning >= 2, 'what fits runs together');
  assert.ok(mostRunning <= 4, `${mostRunning} were in an engine that holds three`);
  // A slow machine may let a lease run out: what is delivered again stays in its class.
  assert.ok((await delivered(stack, 'long')) >= REQUESTS + 1);
  assert.deepEqual([await delivered(stack, 'short'), await delivered(stack, 'medium')], [warmUps, 0]);
});
