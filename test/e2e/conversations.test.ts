/** `/v1/conversations` and responses made in them, and the count of input tokens, through the official client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI from 'openai';
import { sdk } from '../../testkit/sdk.ts';
import {
  API_KEY,
  errorOf,
  post,
  type Stack,
  startStack,
  waitFor,
  whenAllHeard,
} from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const model = 'sim-chat';
let stack: Stack;
let client: OpenAI;
before(async () => {
  stack = await startStack({
    engines: [{}, { models: ['plain'], endpoints: [] }],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
  });
  client = sdk(stack);
  await whenAllHeard(stack);
});
after(() => stack[Symbol.asyncDispose]());

const said = (...messages: [role: string, content: string][]) =>
  expectedTokens(promptHash({ messages: messages.map(([role, content]) => ({ role, content })) }), 16).join(
    '',
  );
const user = (content: string) => ({ role: 'user' as const, content });
const rolesIn = async (id: string) => {
  const roles: string[] = [];
  for await (const item of client.conversations.items.list(id, { order: 'asc', limit: 2 }))
    roles.push(item.type === 'message' ? item.role : item.type);
  return roles;
};

test('responses in a conversation go on with what was said in it, in the foreground, streamed and in the background', async () => {
  const { id } = await client.conversations.create({ items: [user('One')], metadata: { topic: 'x' } });
  const asked = { model, conversation: id, max_output_tokens: 16 };
  const first = await client.responses.create({ ...asked, input: 'Two' });
  assert.equal(first.output_text, said(['user', 'One'], ['user', 'Two']));
  assert.deepEqual(first.conversation, { id });
  const spoken: [string, string][] = [
    ['user', 'One'],
    ['user', 'Two'],
    ['assistant', first.output_text],
  ];
  const second = await client.responses
    .stream({ ...asked, conversation: { id }, input: 'Three' })
    .finalResponse();
  assert.equal(second.output_text, said(...spoken, ['user', 'Three']));
  spoken.push(['user', 'Three'], ['assistant', second.output_text]);
  const third = await client.responses.create({ ...asked, input: 'Four', background: true });
  await waitFor(async () => (await client.responses.retrieve(third.id)).status === 'incomplete');
  assert.equal((await client.responses.retrieve(third.id)).output_text, said(...spoken, ['user', 'Four']));
  const unstored = await client.responses.create({ ...asked, input: 'Five', store: false });
  assert.ok(unstored.output_text.length > 0);
  const turns = ['user', ...Array(4).fill(['user', 'assistant']).flat()];
  assert.deepEqual(await rolesIn(id), turns);
  await client.responses.delete(first.id);
  assert.deepEqual(await rolesIn(id), turns, 'what was said stays when its response is deleted');
});

test('a conversation that a response is being made in is locked', async () => {
  const { id } = await client.conversations.create();
  const long = { model, conversation: id, input: 'Forever', background: true, max_output_tokens: 5000 };
  const running = await client.responses.create(long);
  const locked = await post(stack, '/v1/responses', { model, conversation: id, input: 'x' });
  assert.deepEqual([locked.status, (await errorOf(locked)).code], [409, 'conversation_locked']);
  await client.responses.cancel(running.id);
  await client.responses.create({ model, conversation: id, input: 'x', max_output_tokens: 16 });
  assert.deepEqual(await rolesIn(id), ['user', 'assistant']);
});

test('conversations and their items are created, retrieved, changed and deleted', async () => {
  const { id, metadata } = await client.conversations.create({ metadata: { a: 'b' } });
  assert.deepEqual(metadata, { a: 'b' });
  assert.deepEqual((await client.conversations.update(id, { metadata: { c: 'd' } })).metadata, { c: 'd' });
  assert.deepEqual((await client.conversations.retrieve(id)).metadata, { c: 'd' });
  const { items } = client.conversations;
  const added = await items.create(id, { items: [user('x'), { ...user('y'), type: 'message' }] });
  const [x, y] = added.data;
  assert.ok(x?.type === 'message' && y?.type === 'message');
  assert.deepEqual(await items.retrieve(x.id, { conversation_id: id }), x);
  assert.equal((await items.delete(x.id, { conversation_id: id })).id, id);
  assert.deepEqual((await items.list(id)).data, [y]);
  for (const call of [
    () => items.retrieve(x.id, { conversation_id: id }),
    () => items.delete(x.id, { conversation_id: id }),
    () => sdk(stack, { apiKey: OTHER_KEY }).conversations.retrieve(id),
    () => sdk(stack, { apiKey: OTHER_KEY }).responses.create({ model, conversation: id, input: 'x' }),
    () => client.responses.create({ model, conversation: 'conv_nobody', input: 'x' }),
  ])
    await assert.rejects(call(), OpenAI.NotFoundError);
  assert.equal((await client.conversations.delete(id)).deleted, true);
  await assert.rejects(client.conversations.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(items.create(id, { items: [user('x')] }), OpenAI.NotFoundError);
});

test('what is no conversation and no item is refused by name', async () => {
  const { id } = await client.conversations.create();
  const path = `/v1/conversations/${id}`;
  for (const [to, body, param] of [
    ['/v1/conversations', { metadata: { a: 1 } }, 'metadata.a'],
    ['/v1/conversations', { items: [{ role: 'ghost', content: 'x' }] }, 'items[0].role'],
    ['/v1/conversations', { items: Array(21).fill(user('x')) }, 'items'],
    [`${path}/items`, {}, 'items'],
    [`${path}/items`, { items: [{ type: 'telepathy' }] }, 'items[0].type'],
    [`${path}/items`, { items: [{ type: 'item_reference', id: 'x' }] }, 'items'],
    [
      '/v1/responses',
      { model, input: 'x', conversation: id, previous_response_id: 'resp_x' },
      'previous_response_id',
    ],
  ] as const) {
    const answer = await post(stack, to, body);
    assert.deepEqual(
      [answer.status, (await errorOf(answer)).param],
      [400, param],
      JSON.stringify(body).slice(0, 80),
    );
  }
});

test('input tokens are counted by an engine that counts, else estimated, with what came before', async () => {
  const count = async (more: object) =>
    (await client.responses.inputTokens.count({ model, ...more })).input_tokens;
  const messages = [user('y'.repeat(4000)), user('x'.repeat(400))];
  const { id } = await client.conversations.create({ items: messages.slice(0, 1) });
  const input = messages.slice(1);
  await waitFor(async () => (await post(stack, '/tokenize', { model, messages })).ok);
  const told = await (await post(stack, '/tokenize', { model, messages })).json();
  assert.equal(await count({ input, conversation: id }), (told as { count: number }).count);
  const estimated = await count({ input, conversation: id, model: 'plain' });
  const without = await count({ input, model: 'plain' });
  assert.ok(without > 0 && estimated > 2 * without, `${without} ${estimated}`);
  await assert.rejects(count({ input: 'x', model: 'nobody' }), OpenAI.NotFoundError);
});

test('a conversation is compacted, and goes on from what comes back: sent as input, then as a chain', async () => {
  const asked = { model, max_output_tokens: 16 };
  const first = await client.responses.create({ ...asked, input: 'One' });
  const compacted = await client.responses.compact({
    ...{ model, previous_response_id: first.id, input: [user('Two')] },
  });
  assert.equal(compacted.object, 'response.compaction');
  assert.ok(compacted.usage.output_tokens > 0 && compacted.usage.input_tokens > 0);
  const kinds = compacted.output.map(item => (item.type === 'message' ? (item.role as string) : item.type));
  assert.deepEqual(kinds, ['user', 'user', 'compaction']);
  const last = compacted.output.at(-1);
  assert.ok(last?.type === 'compaction');
  const summary = Buffer.from(last.encrypted_content.replace('penstock1.', ''), 'base64').toString();
  const opened = `One\n\nTwo\n\nSummary of the conversation so far:\n\n${summary}\n\nThree`;
  const input = [...compacted.output, user('Three')] as OpenAI.Responses.ResponseInputItem[];
  const second = await client.responses.create({ ...asked, input });
  assert.equal(second.output_text, said(['user', opened]));
  const third = await client.responses.create({ ...asked, input: 'Four', previous_response_id: second.id });
  const spoken = [
    ['user', opened],
    ['assistant', second.output_text],
    ['user', 'Four'],
  ] as const;
  assert.equal(third.output_text, said(...spoken.map(([role, text]): [string, string] => [role, text])));
  const { id } = await client.conversations.create({ items: [user('Five')] });
  const other = await post(stack, '/v1/responses/compact', { model, conversation: id });
  const { output } = (await other.json()) as { output: { type: string }[] };
  assert.deepEqual([other.status, output.map(({ type }) => type)], [200, ['message', 'compaction']]);
  assert.deepEqual(await rolesIn(id), ['user'], 'the conversation itself stays as it is');
});

test('what cannot be compacted is refused by name', async () => {
  const refusal = async (body: object, headers = {}) => {
    const answer = await post(stack, '/v1/responses/compact', body, { headers });
    const { code, param } = await errorOf(answer);
    return [answer.status, code, param];
  };
  assert.deepEqual(await refusal({ model }), [400, 'invalid_request', 'input']);
  assert.deepEqual(await refusal({ input: 'x' }), [400, 'invalid_request', 'model']);
  assert.deepEqual(await refusal({ model: 'none', input: 'x' }), [404, 'model_not_found', 'model']);
  const keyed = await refusal({ model, input: 'x' }, { 'idempotency-key': 'k' });
  assert.deepEqual(keyed, [400, 'invalid_request', 'Idempotency-Key']);
  const gone = await refusal({ model, previous_response_id: 'resp_none' });
  assert.equal(gone[1], 'previous_response_not_found');
});
