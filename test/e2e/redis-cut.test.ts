/** Redis connections that are cut while streams run: every client still gets every token once, in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { Redis } from 'ioredis';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

const STREAMS = 200;
const TOKENS = 150;
const CUTS = 10;

/** Names of the connections that a process of ours has open, in order. */
async function connectionsOf(admin: Redis): Promise<string> {
  const clients = String(await admin.call('CLIENT', 'LIST'));
  return [...clients.matchAll(/ name=(\S+)/g)]
    .map(([, name]) => name)
    .sort()
    .join(' ');
}

test('two hundred streams are exact although all connections to Redis are cut ten times', async t => {
  await using stack = await startStack({ engines: [{}, {}] });
  const admin = new Redis(stack.redis.url);
  t.after(() => admin.disconnect());
  const streams = Promise.all(
    Array.from({ length: STREAMS }, (_, i) => readChat(stack, chat(`cut ${i}`, { max_tokens: TOKENS }))),
  );
  const all = await connectionsOf(admin);
  for (let i = 0; i < CUTS; i++) {
    await new Promise(resolve => setTimeout(resolve, 100));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    // Connections that are cut before they are open again are away for as long as all these cuts together.
    await waitFor(async () => (await connectionsOf(admin)) === all);
  }
  // A cut costs no second run: the log still holds what the connection dropped.
  const done = await streams;
  assert.equal(
    stack.engines.reduce((sum, engine) => sum + engine.stats().started, 0),
    STREAMS,
  );
  for (const [i, read] of done.entries()) {
    const hash = promptHash({ messages: [{ role: 'user', content: `cut ${i}` }] });
    assert.deepEqual(read.tokens, expectedTokens(hash, TOKENS));
    assert.ok(read.done);
  }
});
