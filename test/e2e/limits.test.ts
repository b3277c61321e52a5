/** Limits of projects on real servers, with two ingress nodes, the admin client and OpenAI's own client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { batchesOf, lineOf, question } from '../../testkit/batches.ts';
import { countedSdk, sdk } from '../../testkit/sdk.ts';
import { chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ADMIN = 'an-admin-key-of-tests';
const SHARED = { PENSTOCK_PRICES: '*=1000000/1000000' };

let stack: Stack;
let other: { readonly url: string };
before(async () => {
  stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', timeScale: 4 }],
    ingressEnv: {
      ...SHARED,
      PENSTOCK_ADMIN_KEYS: ADMIN,
      PENSTOCK_KEY_PEPPER: 'pepper-of-the-tests-pepper-of-the-tests',
    },
    tasksEnv: SHARED,
  });
  other = await stack.addIngress('in-2');
});
after(() => stack?.[Symbol.asyncDispose]());

type Limits = Partial<Record<'max_requests_per_1_day' | 'max_parallel_requests' | 'max_budget', number>>;

function admin() {
  return new OpenAI({ baseURL: `${stack.url}/v1`, adminAPIKey: ADMIN, apiKey: '-' }).admin.organization
    .projects;
}

/** @returns the key of a new project with these limits, and how to change them. */
async function projectWith(limits: Limits) {
  const project = await admin().create({ name: 'limited' });
  const limit = (changed: Limits) =>
    admin().rateLimits.updateRateLimit('rl-*', { project_id: project.id, ...changed });
  await limit(limits);
  const account = await admin().serviceAccounts.create(project.id, { name: 'tests' });
  return { apiKey: account.api_key?.value ?? assert.fail(), id: project.id, limit };
}

async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return '200';
  } catch (err) {
    const { status, code } = err as InstanceType<typeof OpenAI.APIError>;
    return `${status} ${code}`;
  }
}

const CALL = chat('hi', { max_tokens: 4 }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;

test('two nodes at once let no more requests through than the limit, and say what is left', async () => {
  const { apiKey, id } = await projectWith({ max_requests_per_1_day: 6 });
  const clients = [stack, other].map(
    ({ url }) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
  );
  const calls = Array.from({ length: 20 }, (_, i) =>
    outcome((clients[i % 2] ?? assert.fail()).chat.completions.create(CALL)),
  );
  const outcomes = await Promise.all(calls);
  assert.equal(outcomes.filter(each => each === '200').length, 6);
  assert.equal(outcomes.filter(each => each === '429 rate_limit_exceeded').length, 14);
  const refused = await clients[1]?.chat.completions
    .create(CALL)
    .asResponse()
    .catch(err => err);
  assert.equal(refused.headers.get('x-ratelimit-limit-requests'), '6');
  assert.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0');
  assert.match(refused.message, new RegExp(`project ${id} on requests per day \\(rpd_limit\\)`));
});

test('a client that is told to wait does, and gets through once there is room', async () => {
  const { apiKey } = await projectWith({ max_parallel_requests: 1 });
  const stream = await sdk(stack, { apiKey }).chat.completions.create({
    ...CALL,
    max_tokens: 100_000,
    stream: true,
  });
  const { client, attempts } = countedSdk(stack, { apiKey, baseURL: `${other.url}/v1`, maxRetries: 10 });
  const answered = client.chat.completions.create(CALL);
  await waitFor(() => attempts.some(({ status }) => status === 429));
  stream.controller.abort();
  assert.ok((await answered).choices[0]?.message.content);
  const [first, second] = attempts;
  assert.ok(first && second && first.pauseMs !== null && first.pauseMs >= 1000);
  assert.ok(second.at - first.at >= first.pauseMs - 5, 'the SDK waited as long as it was told');
});

test('a background response counts at the door, and a spent budget is no reason to try again', async () => {
  const { apiKey } = await projectWith({ max_budget: 60 });
  const { client, attempts } = countedSdk(stack, { apiKey });
  const { model } = CALL;
  await client.responses.create({ model, input: 'hi', background: true, max_output_tokens: 16 });
  let last = '200';
  for (let i = 0; i < 10 && last === '200'; i++) last = await outcome(client.chat.completions.create(CALL));
  assert.equal(last, '429 insufficient_quota');
  assert.equal(attempts.at(-1)?.retryCount, 0, 'the SDK did not try again');
});

test('lines of a batch wait for the limits of their project, and go on when these are raised', async () => {
  const { apiKey, limit } = await projectWith({ max_requests_per_1_day: 8 });
  const client = sdk(stack, { apiKey });
  const { begin, whenOver } = batchesOf(client);
  const lines = Array.from({ length: 12 }, (_, i) => lineOf(`${i}`, question(i)));
  const batch = await begin(lines.join('\n'));
  await waitFor(async () => (await client.batches.retrieve(batch.id)).request_counts?.completed === 4);
  const calls = [1, 2, 3, 4].map(() => outcome(client.chat.completions.create(CALL)));
  assert.deepEqual(await Promise.all(calls), ['200', '200', '200', '200'], 'the other half is left to calls');
  await limit({ max_requests_per_1_day: 1000 });
  const over = await whenOver(batch.id);
  assert.deepEqual(over.request_counts, { total: 12, completed: 12, failed: 0 });
});
