import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitSettings } from '@penstock/access';
import { decodeEnvelope } from '@penstock/protocol';
import { startMemoryIngress, turn } from '../ingress.fixture.ts';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
const PATH = '/v1/chat/completions';
const PROJECT = /project [0-9a-f]{16} on /;
const ANSWER = '{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":40,"total_tokens":50}}';

function limited(defaults: Record<string, number>, more: Partial<LimitSettings> = {}) {
  const prices = { priceOf: () => ({ prompt: 1e6, output: 1e6 }) };
  return startMemoryIngress({
    limits: { ...{ defaults, isShadow: false, passesUncounted: false }, ...prices, ...more },
  });
}

type Limited = Awaited<ReturnType<typeof limited>>;

/** Takes the next request, and answers it. */
async function serve({ take, reply }: Limited, answer = ANSWER): Promise<void> {
  await reply(await take('interactive'), [['accepted'], ['result', answer]]);
}

async function served(ingress: Limited, body: object = CHAT) {
  const answered = ingress.call('POST', PATH, body);
  await serve(ingress);
  return answered;
}

function errorIn({ body }: { body: string }) {
  return JSON.parse(body).error as { code: string; message: string; type: string };
}

test('beyond its requests a minute a project gets 429, with whose limit it is and when there is room', async () => {
  await using ingress = await limited({ rpm_limit: 2 });
  const first = await served(ingress);
  assert.equal(first.headers['x-ratelimit-limit-requests'], '2');
  assert.equal(first.headers['x-ratelimit-remaining-requests'], '1');
  assert.equal(first.headers['x-ratelimit-reset-requests'], '30s');
  await served(ingress);
  const refused = await ingress.call('POST', PATH, CHAT);
  assert.equal(refused.statusCode, 429);
  assert.equal(errorIn(refused).code, 'rate_limit_exceeded');
  assert.match(errorIn(refused).message, PROJECT);
  assert.match(
    errorIn(refused).message,
    /requests per minute \(rpm_limit\)\. Limit 2, used 2, requested 1\./,
  );
  assert.equal(refused.headers['x-ratelimit-remaining-requests'], '0');
  assert.equal(refused.headers['x-ratelimit-reset-requests'], '1m0s');
  const after = Number(refused.headers['retry-after']);
  assert.ok(after >= 30 && after <= 60, `${after}`);
  const message = await ingress.call('POST', '/v1/messages', { ...CHAT, max_tokens: 5 });
  assert.equal(message.statusCode, 429);
  assert.deepEqual([JSON.parse(message.body).type, errorIn(message).type], ['error', 'rate_limit_error']);
  ingress.pass(30_000);
  assert.equal((await served(ingress)).statusCode, 200);
});

test('tokens are reserved, and what an answer did not need comes back', async () => {
  await using ingress = await limited({ tpm_limit: 1000 });
  const one = ingress.call('POST', PATH, CHAT);
  const delivery = await ingress.take('interactive');
  const other = await ingress.call('POST', PATH, CHAT);
  assert.match(
    errorIn(other).message,
    /tokens per minute \(tpm_limit\)\. Limit 1000, used 5\d\d, requested 5\d\d\./,
  );
  await ingress.reply(delivery, [['accepted'], ['result', ANSWER]]);
  await one;
  const next = await served(ingress);
  assert.ok(Number(next.headers['x-ratelimit-remaining-tokens']) < 450);
  const large = await ingress.call('POST', PATH, {
    ...CHAT,
    messages: [{ role: 'user', content: 'word '.repeat(3000) }],
  });
  assert.match(errorIn(large).message, /^Request too large for project/);
  assert.equal(large.headers['x-should-retry'], 'false');
  assert.equal(large.headers['retry-after'], undefined);
});

test('a stream is asked for its count of tokens, which a client that did not ask does not see', async () => {
  await using ingress = await limited({ tpm_limit: 1000 });
  const answered = ingress.call('POST', PATH, { ...CHAT, stream: true });
  const delivery = await ingress.take('interactive');
  assert.deepEqual(JSON.parse(decodeEnvelope(delivery.data).body.toString()).stream_options, {
    include_usage: true,
  });
  const chunk = 'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\""}}]}\n\n';
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":890}}\n\n';
  await ingress.reply(delivery, [['accepted'], ['events', chunk], ['end', `${usage}data: [DONE]\n\n`]]);
  assert.equal((await answered).body, `${chunk}data: [DONE]\n\n`);
  const refused = await ingress.call('POST', PATH, { ...CHAT, max_tokens: 200 });
  assert.match(errorIn(refused).message, /used 900,/);
  ingress.pass(60_000);
  const asked = { ...CHAT, stream: true, stream_options: { include_usage: true } };
  const shown = ingress.call('POST', PATH, asked);
  await ingress.reply(await ingress.take('interactive'), [['accepted'], ['events', chunk], ['end', usage]]);
  assert.equal((await shown).body, `${chunk}${usage}`);
});

test('parallel requests are counted until they end, however they do', async () => {
  await using ingress = await limited({ max_parallel_requests: 1, tpm_limit: 10_000 });
  const controller = new AbortController();
  const left = fetch(ingress.url + PATH, {
    ...{ method: 'POST', body: JSON.stringify({ ...CHAT, stream: true }), signal: controller.signal },
    headers: { authorization: 'Bearer sk-0123456789', 'content-type': 'application/json' },
  });
  const delivery = await ingress.take('interactive');
  await ingress.reply(delivery, [
    ['accepted'],
    ['events', 'data: {"choices":[]}\n\ndata: {"choices":[]}\n\n'],
  ]);
  const response = await left;
  const refused = await ingress.call('POST', PATH, CHAT);
  assert.match(errorIn(refused).message, /parallel requests \(max_parallel_requests\)\. Limit 1, used 1,/);
  controller.abort();
  await response.text().catch(() => {});
  while (ingress.open.size > 0) await turn();
  const next = await served(ingress);
  assert.equal(next.statusCode, 200);
  const left10k = Number(next.headers['x-ratelimit-remaining-tokens']);
  assert.ok(
    left10k > 9400 && left10k < 9488,
    `${left10k}: what was shown of the first is paid, what was reserved is not`,
  );
});

test('a place whose ingress died ends by itself, one that is used is renewed', async () => {
  await using ingress = await limited({ max_parallel_requests: 1 });
  const answered = ingress.call('POST', PATH, CHAT);
  const delivery = await ingress.take('interactive');
  await ingress.reply(delivery, [['accepted']]);
  for (let s = 0; s < 30; s += 5) {
    ingress.pass(5000);
    await turn();
  }
  assert.equal((await ingress.call('POST', PATH, CHAT)).statusCode, 429);
  await ingress.reply(delivery, [['result', ANSWER]]);
  assert.equal((await answered).statusCode, 200);
});

test('a spent budget is no reason to try again', async () => {
  await using ingress = await limited({ max_budget: 550, budget_duration: 86_400 });
  await served(ingress, { ...CHAT, max_tokens: 40 });
  const refused = await ingress.call('POST', PATH, { ...CHAT, max_tokens: 600, stream: true });
  assert.deepEqual([refused.statusCode, errorIn(refused).code], [429, 'insufficient_quota']);
  assert.match(errorIn(refused).message, /US dollars \(max_budget\)\. Limit 550, used 50, requested 5\d\d\./);
  assert.match(errorIn(refused).message, /until the next period begins/);
  assert.equal(refused.headers['x-should-retry'], 'false');
});

test('in shadow nothing is refused', async () => {
  await using ingress = await limited({ rpm_limit: 1 }, { isShadow: true });
  for (let i = 0; i < 3; i++) assert.equal((await served(ingress)).statusCode, 200);
  const { body } = await ingress.call('GET', '/metrics');
  assert.match(body, /penstock_limited_requests_total\{limit="rpm_limit",endpoint="chat",mode="shadow"\} 2/);
});

test('what nobody can count is refused, or passes where that was chosen', async () => {
  for (const passesUncounted of [false, true]) {
    await using ingress = await limited({ rpm_limit: 1 }, { passesUncounted });
    ingress.limits.connected = false;
    if (passesUncounted) assert.equal((await served(ingress)).statusCode, 200);
    else {
      const refused = await ingress.call('POST', PATH, CHAT);
      assert.deepEqual([refused.statusCode, errorIn(refused).code], [503, 'limits_unavailable']);
    }
  }
});

test('a request that the queue refuses counts for nothing', async () => {
  await using ingress = await limited({ rpm_limit: 1, max_parallel_requests: 1 });
  ingress.queue.setConnected(false);
  assert.equal((await ingress.call('POST', PATH, CHAT)).statusCode, 503);
  ingress.queue.setConnected(true);
  assert.equal((await served(ingress)).statusCode, 200);
});

test('a job counts when it is accepted, and its place is free when it has ended', async () => {
  await using ingress = await limited({ max_parallel_requests: 1, rpm_limit: 10 });
  const asked = { prefer: 'respond-async' };
  const accepted = await ingress.call('POST', PATH, CHAT, asked);
  assert.deepEqual([accepted.statusCode, accepted.headers['x-ratelimit-remaining-requests']], [202, '9']);
  assert.equal((await ingress.call('POST', PATH, CHAT, asked)).statusCode, 429);
  const id = JSON.parse(accepted.body).id as string;
  assert.equal((await ingress.call('POST', `/v1/jobs/${id}/cancel`)).statusCode, 200);
  await turn();
  assert.equal((await ingress.call('POST', PATH, CHAT, asked)).statusCode, 202);
});
