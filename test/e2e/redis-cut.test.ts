/** Redis connections that are cut while streams run: every client still gets every token once, in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { Redis } from 'ioredis';
import { chat, readChat, type Stack, startStack } from '../../testkit/stack.ts';

const STREAMS = 200;
const TOKENS = 150;
const CUTS = 10;

/** Asks again where Redis was away for too long to be let in, as clients do. */
async function untilAccepted(stack: Stack, body: Record<string, unknown>) {
  for (;;) {
    const read = await readChat(stack, body);
    if (read.status !== 503) return read;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

test('two hundred streams are exact although all connections to Redis are cut ten times', async t => {
  await using stack = await startStack({ engines: [{}, {}] });
  const admin = new Redis(stack.redis.url);
  t.after(() => admin.disconnect());
  const streams = Promise.all(
    Array.from({ length: STREAMS }, (_, i) => untilAccepted(stack, chat(`cut ${i}`, { max_tokens: TOKENS }))),
  );
  for (let i = 0; i < CUTS; i++) {
    await new Promise(resolve => setTimeout(resolve, 100));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }
  const done = await streams;
  // A short cut costs no second run: the log still holds what the connection dropped. How long a cut is depends on the machine.
  const started = stack.engines.reduce((sum, engine) => sum + engine.stats().started, 0);
  t.diagnostic(`${started - STREAMS} second runs`);
  for (const [i, read] of done.entries()) {
    const hash = promptHash({ messages: [{ role: 'user', content: `cut ${i}` }] });
    assert.deepEqual(read.tokens, expectedTokens(hash, TOKENS));
    assert.ok(read.done);
  }
});
