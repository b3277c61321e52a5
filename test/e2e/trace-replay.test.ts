/** Three hundred requests of real chat traffic, open loop, through two uneven engines: every stream whole and exact. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { conversationTrace } from '../../loadtest/workloads/mooncake.ts';
import { promptOf } from '../../loadtest/workloads/prompt.ts';
import { chat, readChat, startStack } from '../../testkit/stack.ts';

/** Times real time. */
const SPEED = 12;
const LIMITS = { maxRequests: 300, maxInputTokens: 8192, maxOutputTokens: 64 };

test('three hundred traced requests are answered whole, in order and exactly once', async t => {
  const { source, requests } = conversationTrace(LIMITS);
  t.diagnostic(`requests: ${source}`);
  const engine = { profile: 'dense-8b-h100', timeScale: SPEED };
  await using stack = await startStack({ engines: [engine, { ...engine, slowdown: 2 }] });
  const startedAt = performance.now();
  const answers = await Promise.all(
    requests.map(async (request, i) => {
      const content = promptOf(request, i);
      const waitMs = request.atMs / SPEED - (performance.now() - startedAt);
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs));
      const read = await readChat(stack, chat(content, { max_tokens: request.outputTokens }));
      return { read, hash: promptHash(chat(content)), tokens: request.outputTokens };
    }),
  );
  for (const { read, hash, tokens } of answers) {
    assert.equal(read.status, 200);
    assert.deepEqual(read.tokens, expectedTokens(hash, tokens));
    assert.ok(read.done && read.error === null && read.ids.size === 1);
  }
  const ran = stack.engines.reduce((sum, engine) => sum + engine.stats().started, 0);
  // On a busy machine a worker may not be heard of for seconds, or take bound work just when it is moved to all: it may run then.
  const secondChances = await secondAttempts(stack.url);
  assert.ok(
    ran <= requests.length + secondChances,
    `${ran} attempts at ${requests.length}, ${secondChances} more allowed`,
  );
});

/** How often the ingress had reason to begin another attempt. */
async function secondAttempts(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const counts = [...text.matchAll(/^penstock_(?:failed_attempts|moved_requests)_total\{[^}]*\} (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
