/** A request goes to the worker that holds its prefix, and never waits for one that does not take it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, post, type Stack, startStack, waitFor } from '../support/stack.ts';

let stack: Stack;
before(async () => {
  const engine = { profile: 'dense-8b-h100', timeScale: 4 };
  stack = await startStack({
    engines: [engine, engine, engine],
    ingressEnv: { PENSTOCK_AFFINITY_WAIT_MS: '200' },
  });
});
after(() => stack[Symbol.asyncDispose]());

/** About 4,000 tokens that only this conversation has. */
const opening = (name: string) => `${name} `.repeat(16_000 / (name.length + 1));

interface Answer {
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

async function ask(content: string, extra: Record<string, unknown> = {}) {
  const response = await post(stack, '/v1/chat/completions', chat(content, { max_tokens: 4, ...extra }));
  assert.equal(response.status, 200);
  const body = (await response.json()) as Answer;
  return {
    worker: response.headers.get('x-penstock-worker') ?? '',
    cached: body.usage.prompt_tokens_details.cached_tokens,
  };
}

test('follow-ups find their prefix in the cache of the worker that served it', async () => {
  for (const name of ['alder', 'birch', 'cedar', 'damson', 'elder']) {
    const first = await ask(opening(name));
    const second = await ask(`${opening(name)} and then?`);
    assert.equal(second.worker, first.worker, name);
    assert.ok(second.cached > 3000, `${second.cached} tokens cached`);
  }
});

test('tenants share nothing through a cache key, nor do cache keys', async () => {
  const first = await ask(opening('fig'), { prompt_cache_key: 'a' });
  const same = await ask(opening('fig'), { prompt_cache_key: 'a' });
  assert.equal(same.worker, first.worker);
  const metrics = await (await fetch(`${stack.url}/metrics`)).text();
  const cached = Number(/penstock_placements_total\{reason="cached"\} (\d+)/.exec(metrics)?.[1]);
  await ask(opening('fig'), { prompt_cache_key: 'b' });
  const after = await (await fetch(`${stack.url}/metrics`)).text();
  assert.equal(Number(/penstock_placements_total\{reason="cached"\} (\d+)/.exec(after)?.[1]), cached);
});

test('an owner that is paused does not hold up what is bound to it', async () => {
  const { worker } = await ask(opening('gorse'));
  const owner = stack.workers[Number(worker.slice(2)) - 1];
  assert.ok(owner);
  process.kill(owner.pid, 'SIGSTOP');
  try {
    const other = await ask(`${opening('gorse')} and then?`);
    assert.notEqual(other.worker, worker);
  } finally {
    process.kill(owner.pid, 'SIGCONT');
  }
  // What woke up finds its delivery gone or superseded, and works on.
  await waitFor(async () => (await ask(`${Math.random()}`)).worker === worker);
});
