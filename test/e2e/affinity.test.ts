/** A request goes to the worker that holds its prefix, and never waits for one that does not take it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

let stack: Stack;
before(async () => {
  const engine = { profile: 'dense-8b-h100', timeScale: 4 };
  stack = await startStack({
    engines: [engine, engine, engine],
    // A worker on a busy machine may need long to take what is bound to it; only a paused one is to need longer.
    ingressEnv: { PENSTOCK_AFFINITY_WAIT_MS: '2000' },
  });
});
after(() => stack[Symbol.asyncDispose]());

/** Sum over all models. */
async function counted(from: Stack, name: string): Promise<number> {
  const text = await (await fetch(`${from.url}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'gm'))];
  return values.reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Requests that were given to the worker that is believed to hold their prefix. */
async function placedForCache(from: Stack): Promise<number> {
  const text = await (await fetch(`${from.url}/metrics`)).text();
  return Number(/penstock_placements_total\{reason="cached"\} (\d+)/.exec(text)?.[1] ?? 0);
}

/** About 4,000 tokens that only this conversation has. */
const opening = (name: string) => `${name} `.repeat(16_000 / (name.length + 1));

interface Answer {
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

async function ask(content: string, extra: Record<string, unknown> = {}, from = stack) {
  const response = await post(from, '/v1/chat/completions', chat(content, { max_tokens: 4, ...extra }));
  assert.equal(response.status, 200);
  const body = (await response.json()) as Answer;
  return {
    worker: response.headers.get('x-penstock-worker') ?? '',
    cached: body.usage.prompt_tokens_details.cached_tokens,
  };
}

test('follow-ups find their prefix in the cache of the worker that served it', async () => {
  let byOwner = 0;
  for (const name of ['alder', 'birch', 'cedar', 'damson', 'elder']) {
    const first = await ask(opening(name));
    const before = await placedForCache(stack);
    const second = await ask(`${opening(name)} and then?`);
    assert.equal(await placedForCache(stack), before + 1, name);
    // On a busy machine an owner may be too late for what is bound to it, and another worker takes that.
    if (second.worker !== first.worker) continue;
    byOwner++;
    assert.ok(second.cached > 3000, `${second.cached} tokens cached`);
  }
  assert.ok(byOwner > 0);
});

test('tenants share nothing through a cache key, nor do cache keys', async () => {
  // Where it is placed, not who takes it in the end: see above.
  await ask(opening('fig'), { prompt_cache_key: 'a' });
  const before = await placedForCache(stack);
  await ask(opening('fig'), { prompt_cache_key: 'a' });
  assert.equal(await placedForCache(stack), before + 1);
  await ask(opening('fig'), { prompt_cache_key: 'b' });
  assert.equal(await placedForCache(stack), before + 1);
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

test('the hit ratio is counted by model as the engines tell it, beside what was expected', async () => {
  const before = await counted(stack, 'penstock_cached_prompt_tokens_total');
  await ask(opening('hazel'));
  const { cached } = await ask(`${opening('hazel')} and then?`);
  const found = (await counted(stack, 'penstock_cached_prompt_tokens_total')) - before;
  assert.ok(found >= cached && cached > 3000);
  const expected = await counted(stack, 'penstock_expected_cached_prompt_tokens_total');
  assert.ok(expected > 3000 && expected <= (await counted(stack, 'penstock_prompt_tokens_total')));
});

test('an engine that caches nothing draws no prompts any more once it has said so', async () => {
  const engine = { profile: 'dense-8b-h100', timeScale: 4, prefixCache: false };
  await using other = await startStack({ engines: [engine, engine] });
  const placed = () => placedForCache(other);
  let turn = 0;
  const repeat = async () => {
    for (let n = 0; n < 8; n++) await ask(`${opening('iris')} ${turn++}`, {}, other);
  };
  await repeat();
  assert.ok((await placed()) > 0, 'at first its placements are believed');
  await repeat();
  await repeat();
  const before = await placed();
  await repeat();
  assert.equal(await placed(), before);
  assert.equal(await counted(other, 'penstock_cached_prompt_tokens_total'), 0);
  assert.ok((await counted(other, 'penstock_expected_cached_prompt_tokens_total')) > 0);
});
