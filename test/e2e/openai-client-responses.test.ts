/** The official client against the whole stack: every call of the Responses API. What they mean in depth is in responses.test.ts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { sdk } from '../../testkit/sdk.ts';
import { post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

let stack: Stack;
let client: OpenAI;
const model = 'sim-chat';
const said = (content: string, tokens: number) =>
  expectedTokens(promptHash({ messages: [{ role: 'user', content }] }), tokens).join('');
const weather = {
  type: 'function' as const,
  name: 'get_weather',
  strict: null,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

before(async () => {
  stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }] });
  client = sdk(stack);
});
after(() => stack[Symbol.asyncDispose]());

async function whenOver(id: string): Promise<Response> {
  let response = await client.responses.retrieve(id);
  await waitFor(async () => {
    response = await client.responses.retrieve(id);
    return response.status !== 'queued' && response.status !== 'in_progress';
  });
  return response;
}

/** A background response that was streamed to its end. */
async function streamed(input: string) {
  const events: ResponseStreamEvent[] = [];
  const asked = { model, input, background: true, max_output_tokens: 30 };
  for await (const event of await client.responses.create({ ...asked, stream: true })) events.push(event);
  const [first] = events;
  assert.ok(first?.type === 'response.created');
  return { id: first.response.id, events };
}

test('responses.create', async () => {
  const response = await client.responses.create({ model, input: 'Plain', max_output_tokens: 20 });
  assert.equal(response.output_text, said('Plain', 20));
  assert.equal(response.status, 'incomplete');
  assert.equal(response.incomplete_details?.reason, 'max_output_tokens');
});

test('responses.create with stream', async () => {
  let text = '';
  const stream = await client.responses.create({ model, input: 'Flow', max_output_tokens: 20, stream: true });
  for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta;
  assert.equal(text, said('Flow', 20));
});

test('responses.create with a tool, and the answer to its result', async () => {
  const asked = await client.responses.create({ model, input: 'Weather?', tools: [weather] });
  const [call] = asked.output;
  assert.ok(call?.type === 'function_call');
  assert.deepEqual(JSON.parse(call.arguments), { city: 'river' });
  await waitFor(async () => (await client.responses.retrieve(asked.id)).id === asked.id);
  const answered = await client.responses.create({
    model,
    previous_response_id: asked.id,
    input: [{ type: 'function_call_output', call_id: call.call_id, output: 'sunny' }],
    tools: [weather],
  });
  assert.equal(answered.status, 'completed');
  assert.equal(answered.output[0]?.type, 'message');
});

test('responses.stream().finalResponse, with text and with a tool’s arguments', async () => {
  const text = await client.responses
    .stream({ model, input: 'Gather', max_output_tokens: 16 })
    .finalResponse();
  assert.equal(text.output_text, said('Gather', 16));
  const call = await client.responses.stream({ model, input: 'Weather?', tools: [weather] }).finalResponse();
  assert.ok(call.output[0]?.type === 'function_call');
  assert.deepEqual(JSON.parse(call.output[0].arguments), { city: 'river' });
});

test('responses.create with background, then responses.retrieve', async () => {
  const asked = client.responses.create({ model, input: 'Later', background: true, max_output_tokens: 16 });
  const { data, response } = await asked.withResponse();
  assert.ok(data.status === 'queued' || data.status === 'in_progress');
  assert.ok(Number(response.headers.get('openai-poll-after-ms')) > 0);
  assert.equal((await whenOver(data.id)).output_text, said('Later', 16));
});

test('responses.retrieve with a list of what to include', async () => {
  const { id } = await client.responses.create({ model: 'sim-chat', input: 'Include' });
  const include = ['reasoning.encrypted_content', 'message.output_text.logprobs'] as const;
  assert.equal((await client.responses.retrieve(id, { include: [...include] })).id, id);
});

test('responses.create with background and stream', async () => {
  const { events } = await streamed('Both');
  assert.deepEqual(
    events.map(event => event.sequence_number),
    events.map((_, i) => i),
  );
  const text = events.flatMap(event => (event.type === 'response.output_text.delta' ? [event.delta] : []));
  assert.equal(text.join(''), said('Both', 30));
});

test('responses.retrieve with stream and starting_after goes on after that event', async () => {
  const { id, events } = await streamed('Resume');
  for (const starting_after of [undefined, 0, 3, events.length - 1]) {
    const query = { stream: true as const, ...(starting_after === undefined ? {} : { starting_after }) };
    const rest: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(id, query)) rest.push(event);
    assert.deepEqual(rest, events.slice((starting_after ?? -1) + 1));
  }
});

test('responses.stream({ response_id, starting_after }) gathers the whole, and tells what comes after', async () => {
  const { id, events } = await streamed('Follow');
  const told: number[] = [];
  const stream = client.responses.stream({ response_id: id, starting_after: 2 });
  stream.on('event', event => told.push(event.sequence_number));
  assert.equal((await stream.finalResponse()).output_text, said('Follow', 30));
  assert.deepEqual(
    told,
    events.slice(3).map(event => event.sequence_number),
  );
});

test('responses.cancel, with whatever body, as often as you like', async () => {
  const asked = { model, input: 'Forever', background: true, max_output_tokens: 5000 };
  const { id } = await client.responses.create(asked);
  assert.equal((await client.responses.cancel(id)).status, 'cancelled');
  for (const body of ['', '{}', '{"reason":"bored"}']) {
    const again = await post(stack, `/v1/responses/${id}/cancel`, body);
    assert.equal(again.status, 200, body);
    assert.equal(((await again.json()) as Response).status, 'cancelled');
  }
  const bare = await fetch(`${stack.url}/v1/responses/${id}/cancel`, {
    method: 'POST',
    headers: { authorization: `Bearer ${client.apiKey}` },
  });
  assert.equal(bare.status, 200);
});

test('responses.delete, and then it is a 404', async () => {
  const { id } = await client.responses.create({ model, input: 'Gone', background: true });
  await client.responses.delete(id);
  await assert.rejects(client.responses.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(client.responses.delete(id), OpenAI.NotFoundError);
  await assert.rejects(client.responses.inputItems.list(id), OpenAI.NotFoundError);
});

test('responses.inputItems.list pages by itself, newest first or oldest first', async () => {
  const input = Array.from({ length: 7 }, (_, i) => ({ role: 'user' as const, content: `item ${i}` }));
  const { id } = await client.responses.create({ model, input, background: true, max_output_tokens: 16 });
  for (const order of ['asc', 'desc'] as const) {
    const seen: string[] = [];
    for await (const item of client.responses.inputItems.list(id, { limit: 3, order })) {
      assert.ok(item.type === 'message' && typeof item.id === 'string');
      seen.push(JSON.stringify(item.content));
    }
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
    assert.match(seen[0] ?? '', order === 'asc' ? /item 0/ : /item 6/);
  }
});
