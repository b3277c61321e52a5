/** The official client against the whole stack: every call about webhooks. How deliveries behave is in webhooks.test.ts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { type Received, startReceiver } from '../../testkit/receiver.ts';
import { sdk } from '../../testkit/sdk.ts';
import { type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
const TYPE = 'response.completed' as const;
let stack: Stack;
let client: OpenAI;
let receiver: Awaited<ReturnType<typeof startReceiver>>;

before(async () => {
  receiver = await startReceiver();
  stack = await startStack({ engines: [{ profile: 'instant' }], ingressEnv: ALLOW, tasksEnv: ALLOW });
  client = sdk(stack);
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const create = (path: string) =>
  client.webhooks.create({ name: path, url: receiver.url + path, event_types: [TYPE] });

/** A real delivery: the response it is about, and what the endpoint was posted. */
async function delivered(path: string): Promise<{ id: string; post: Received }> {
  const { id } = await client.responses.create({ model: 'sim-chat', input: 'Ring me', background: true });
  let post: Received | undefined;
  await waitFor(() => {
    post = receiver.to(path).find(each => each.event.data.id === id);
    return post !== undefined;
  });
  assert.ok(post !== undefined);
  return { id, post };
}

test('webhooks.create, retrieve, update, list that pages by itself, and delete', async () => {
  const names = ['/a', '/b', '/c'];
  const made = await Promise.all(names.map(create));
  const [first] = made;
  assert.ok(first !== undefined);
  assert.match(first.signing_secret, /^whsec_/);
  const { signing_secret: _shownOnce, ...shown } = first;
  const again = await client.webhooks.retrieve(first.id);
  assert.deepEqual({ ...again }, { ...shown });
  assert.equal((await client.webhooks.update(first.id, { name: 'renamed' })).name, 'renamed');
  assert.equal((await client.webhooks.update(first.id)).name, 'renamed');
  const seen: string[] = [];
  for await (const endpoint of client.webhooks.list({ limit: 2 })) seen.push(endpoint.id);
  assert.deepEqual(seen.sort(), made.map(({ id }) => id).sort());
  for (const { id } of made) assert.equal((await client.webhooks.delete(id)).deleted, true);
  await assert.rejects(client.webhooks.retrieve(first.id), OpenAI.NotFoundError);
});

test('webhooks.eventTypes.list and webhooks.test', async () => {
  assert.ok((await client.webhooks.eventTypes.list()).data.includes(TYPE));
  const { id } = await create('/tried');
  const tried = await client.webhooks.test(id, { event_type: TYPE });
  assert.deepEqual([tried.success, tried.status_code], [true, 200]);
  assert.equal(receiver.to('/tried').length, 1);
});

test('webhooks.unwrap gives the event, and the event leads to the response', async () => {
  const { signing_secret: secret } = await create('/unwrap');
  const { id, post } = await delivered('/unwrap');
  const event = await client.webhooks.unwrap(post.body, post.headers, secret);
  assert.ok(event.type === TYPE && event.object === 'event');
  assert.equal(event.data.id, id);
  assert.equal((await client.responses.retrieve(event.data.id)).status, 'completed');
});

test('webhooks.verifySignature refuses another secret, another body, and a timestamp that is too old', async () => {
  const { signing_secret: secret } = await create('/verify');
  const { post } = await delivered('/verify');
  const { verifySignature } = client.webhooks;
  const verify = verifySignature.bind(client.webhooks);
  await verify(post.body, post.headers, secret);
  const refused = OpenAI.InvalidWebhookSignatureError;
  await assert.rejects(
    verify(post.body, post.headers, `whsec_${Buffer.alloc(32, 7).toString('base64')}`),
    refused,
  );
  await assert.rejects(verify(`${post.body} `, post.headers, secret), refused);
  const old = { ...post.headers, 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 301) };
  await assert.rejects(verify(post.body, old, secret), /too old/);
});

test('webhooks.rotateSecret: while both secrets hold, a delivery has two signatures and either verifies it', async () => {
  const { id, signing_secret: old } = await create('/rotated');
  const rotated = await client.webhooks.rotateSecret(id, { keep_old_secret_active_for_24_hours: true });
  assert.notEqual(rotated.signing_secret, old);
  const { post } = await delivered('/rotated');
  assert.equal(post.headers['webhook-signature']?.split(' ').length, 2);
  for (const secret of [old, rotated.signing_secret])
    await client.webhooks.verifySignature(post.body, post.headers, secret);
});
