/** Limits on what a project keeps, on real servers: exact over two ingress nodes, told with a remedy, and given back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { batchesOf, lineOf, question } from '../../testkit/batches.ts';
import { type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ADMIN = 'an-admin-key-of-tests';

let stack: Stack;
let other: { readonly url: string };
before(async () => {
  stack = await startStack({
    engines: [{ profile: 'dense-8b-h100', timeScale: 4 }],
    ingressEnv: {
      PENSTOCK_ADMIN_KEYS: ADMIN,
      PENSTOCK_KEY_PEPPER: 'pepper-of-the-tests-pepper-of-the-tests',
    },
    tasksEnv: {},
  });
  other = await stack.addIngress('in-2');
});
after(() => stack?.[Symbol.asyncDispose]());

type Limits = Readonly<Record<string, number | boolean>>;

/** A new project with these limits. */
async function projectWith(limits: Limits) {
  const { projects } = new OpenAI({ baseURL: `${stack.url}/v1`, adminAPIKey: ADMIN, apiKey: '-' }).admin
    .organization;
  const { id } = await projects.create({ name: 'limited' });
  await projects.rateLimits.updateRateLimit('rl-*', { project_id: id, ...limits });
  const account = await projects.serviceAccounts.create(id, { name: 'tests' });
  const apiKey = account.api_key?.value ?? assert.fail();
  const clients = [stack, other].map(
    ({ url }) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
  ) as [OpenAI, OpenAI];
  return { id, clients };
}

type Failure = { readonly status: number; readonly code: string; readonly message: string };

/** Asks both nodes in turn, all at once. @returns what was made, and what was said of the rest. */
async function askAtOnce<T>(
  times: number,
  clients: readonly OpenAI[],
  ask: (client: OpenAI, i: number) => Promise<T>,
) {
  const asked = Array.from({ length: times }, (_, i) => ask(clients[i % clients.length] ?? assert.fail(), i));
  const settled = await Promise.allSettled(asked);
  return {
    made: settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : [])),
    refused: settled.flatMap(each => (each.status === 'rejected' ? [each.reason as Failure] : [])),
  };
}

const upload = async (client: OpenAI, text: string) =>
  client.files.create({ file: await toFile(Buffer.from(text), 'a.txt'), purpose: 'user_data' });

test('files are counted over both nodes, and one that is deleted makes room', async () => {
  const { id, clients } = await projectWith({ max_files: 3 });
  const { made, refused } = await askAtOnce(10, clients, (client, i) => upload(client, `file ${i}`));
  assert.deepEqual([made.length, refused.length], [3, 7]);
  for (const each of refused) {
    assert.deepEqual([each.status, each.code], [400, 'resource_limit_exceeded']);
    assert.match(
      each.message,
      new RegExp(`project ${id} on files \\(max_files\\)\\. Limit 3, used 3, requested 1\\. Delete`),
    );
  }
  await clients[1].files.delete(made[0]?.id ?? '');
  await upload(clients[0], 'another');
  await assert.rejects(upload(clients[1], 'too many'), { code: 'resource_limit_exceeded' });
});

test('bytes of files are counted over both nodes, and what a batch writes counts and is not refused', async () => {
  const { clients } = await projectWith({ max_stored_bytes: 1000 });
  const { made, refused } = await askAtOnce(8, clients, (client, i) => upload(client, `${i}`.repeat(200)));
  assert.deepEqual([made.length, refused.length], [5, 3]);
  assert.match(
    refused[0]?.message ?? '',
    /bytes of files \(max_stored_bytes\)\. Limit 1000, used 1000, requested (1|200)\./,
  );
  for (const { id } of made) await clients[0].files.delete(id);
  const { begin, whenOver } = batchesOf(clients[1]);
  const batch = await begin(lineOf('a', question('a')) + ' '.repeat(500));
  const over = await whenOver(batch.id);
  assert.ok(over.output_file_id, 'its output is there');
  await assert.rejects(upload(clients[0], 'x'.repeat(300)), { code: 'resource_limit_exceeded' });
});

test('open batches are counted over both nodes until they end', async () => {
  const { clients } = await projectWith({ max_open_batches: 2 });
  const { id: input_file_id } = await batchesOf(clients[0]).upload(lineOf('a', question('a', 100_000)));
  const begin = (client: OpenAI) =>
    client.batches.create({ input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' });
  const { made, refused } = await askAtOnce(6, clients, begin);
  assert.deepEqual([made.length, refused.length], [2, 4]);
  assert.deepEqual([refused[0]?.status, refused[0]?.code], [429, 'rate_limit_exceeded']);
  assert.match(
    refused[0]?.message ?? '',
    /on open batches \(max_open_batches\)\. Limit 2, used 2, requested 1\./,
  );
  await clients[1].batches.cancel(made[0]?.id ?? '');
  await waitFor(async () => (await askAtOnce(1, clients, begin)).made.length === 1);
  for (const { id } of (await clients[0].batches.list()).data)
    await clients[0].batches.cancel(id).catch(() => {});
});

test('queued requests and their bytes are counted over both nodes until they end', async () => {
  const { clients } = await projectWith({ max_queued_requests: 4 });
  const ask = (client: OpenAI) =>
    client.responses.create({ model: 'sim-chat', input: 'hi', background: true, max_output_tokens: 100_000 });
  const { made, refused } = await askAtOnce(10, clients, ask);
  assert.deepEqual([made.length, refused.length], [4, 6]);
  assert.deepEqual([refused[0]?.status, refused[0]?.code], [429, 'rate_limit_exceeded']);
  assert.match(
    refused[0]?.message ?? '',
    /on queued requests \(max_queued_requests\)\. Limit 4, used 4, requested 1\./,
  );
  await clients[0].chat.completions.create(question('a call is none') as never);
  for (const { id } of made) await clients[1].responses.cancel(id);
  const again = await askAtOnce(4, clients, ask);
  assert.equal(again.made.length, 4);
  for (const { id } of again.made) await clients[0].responses.cancel(id);
  const bytes = await projectWith({ max_queued_bytes: 20_000 });
  const long = (client: OpenAI) =>
    client.responses.create({
      ...{ model: 'sim-chat', input: 'x'.repeat(6000), background: true, max_output_tokens: 100_000 },
    });
  const some = await askAtOnce(8, bytes.clients, long);
  assert.deepEqual([some.made.length, some.refused.length], [3, 5]);
  assert.match(
    some.refused[0]?.message ?? '',
    /on bytes of queued requests \(max_queued_bytes\)\. Limit 20000, used 1\d{4},/,
  );
  for (const { id } of some.made) await bytes.clients[0].responses.cancel(id);
});

test('webhook endpoints are counted over both nodes, and in shadow nothing is refused', async () => {
  const { clients } = await projectWith({ max_webhook_endpoints: 2 });
  const add = (client: OpenAI, i: number) =>
    client.post<{ id: string }>('/webhook_endpoints', {
      body: { name: `w${i}`, url: `https://example.com/${i}`, event_types: ['batch.completed'] },
    });
  const { made, refused } = await askAtOnce(5, clients, add);
  assert.deepEqual([made.length, refused.length], [2, 3]);
  assert.deepEqual([refused[0]?.status, refused[0]?.code], [400, 'resource_limit_exceeded']);
  await clients[0].delete(`/webhook_endpoints/${made[0]?.id}`);
  assert.equal((await askAtOnce(1, clients, add)).made.length, 1);
  const shadow = await projectWith({ max_webhook_endpoints: 1, max_files: 1, shadow: true });
  assert.equal((await askAtOnce(3, shadow.clients, add)).made.length, 3);
  assert.equal((await askAtOnce(3, shadow.clients, (client, i) => upload(client, `${i}`))).made.length, 3);
});
