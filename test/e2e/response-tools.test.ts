/** Tool loops of agents on the Responses API: what their engine is sent, and what they get back, through the official client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type OpenAI from 'openai';
import type { Response, ResponseInputItem, Tool } from 'openai/resources/responses/responses';
import {
  chunk,
  DONE,
  type EngineCall,
  type ScriptedEngine,
  startScriptedEngine,
} from '../../testkit/scripted-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const PATCH = '*** Begin Patch\n+"é\\\n';
const call = (index: number, id: string | null, name: string | null, args: string) =>
  chunk({
    tool_calls: [{ index, ...(id ? { id } : {}), function: { ...(name ? { name } : {}), arguments: args } }],
  });

async function* speak({ body }: EngineCall): AsyncGenerator<string> {
  const prompt = body.messages.findLast(({ role }) => role === 'user')?.content ?? '';
  yield chunk({ role: 'assistant', content: '' });
  if (prompt.startsWith('refused: ')) {
    yield `data: ${JSON.stringify({ error: { message: prompt.slice(9), code: 400 } })}\n\n`;
  } else if (prompt.includes('refuse')) yield chunk({ refusal: 'I will not.' }) + chunk({}, 'stop');
  else if (body.messages.at(-1)?.role === 'tool') yield chunk({ content: 'Done.' }) + chunk({}, 'stop');
  else if (prompt.includes('agent')) {
    const json = JSON.stringify({ input: PATCH });
    yield chunk({ reasoning_content: 'I need ' }) +
      chunk({ reasoning_content: 'a patch.' }) +
      chunk({ content: 'Look:' });
    yield call(0, 'call_p', 'apply_patch', json.slice(0, 17)) + call(0, null, null, json.slice(17));
    yield call(1, 'call_g', 'mcp__x__g', '{"n":1}') + chunk({}, 'tool_calls');
  } else yield chunk({ content: 'Hello.' }) + chunk({}, 'stop');
  yield DONE;
}

let stack: Stack;
let engine: ScriptedEngine;
let client: OpenAI;
before(async () => {
  engine = await startScriptedEngine(speak);
  stack = await startStack({
    engineUrls: [engine.url],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
  });
  client = sdk(stack);
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await engine.close();
});

const model = 'scripted';
const tools: Tool[] = [
  {
    type: 'custom',
    name: 'apply_patch',
    format: { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' },
  },
  {
    type: 'namespace',
    name: 'mcp__x',
    description: 'd',
    tools: [{ type: 'function', name: 'g', parameters: { type: 'object', properties: {} } }],
  },
  { type: 'web_search' },
];
const lastSent = () => engine.calls.at(-1)?.body as Record<string, unknown> & { messages: object[] };
/** Without what the client's helper adds. */
const outputOf = ({ output }: Response) =>
  JSON.parse(
    JSON.stringify(output, (key, value) => (key.startsWith('parsed') ? undefined : value)),
  ) as object[];

async function begin(how: 'streamed' | 'background'): Promise<Response> {
  const asked = { model, input: 'agent', tools, instructions: 'Be brief.' };
  if (how === 'streamed') return client.responses.stream(asked).finalResponse();
  const { id } = await client.responses.create({ ...asked, background: true });
  await waitFor(async () => (await client.responses.retrieve(id)).status === 'completed');
  return client.responses.retrieve(id);
}

test('calls of custom tools and of namespaces come back as the client’s own, streamed and stored', async () => {
  for (const how of ['streamed', 'background'] as const) {
    const done = await begin(how);
    const sent = (lastSent()['tools'] as { function: { name: string } }[]).map(tool => tool.function.name);
    assert.deepEqual(sent, ['apply_patch', 'mcp__x__g']);
    const id = (prefix: string, index: number) => ({
      ...{ id: `${prefix}_${done.id.slice('resp_'.length)}_${index}`, status: 'completed' },
    });
    const text = { type: 'output_text', text: 'Look:', annotations: [], logprobs: [] };
    const output = [
      {
        ...{
          ...id('rs', 0),
          type: 'reasoning',
          summary: [{ type: 'summary_text', text: 'I need a patch.' }],
        },
        content: [{ type: 'reasoning_text', text: 'I need a patch.' }],
      },
      { ...id('msg', 1), type: 'message', role: 'assistant', content: [text] },
      { ...id('ctc', 2), type: 'custom_tool_call', call_id: 'call_p', name: 'apply_patch', input: PATCH },
      {
        ...{ ...id('fc', 3), type: 'function_call', call_id: 'call_g', name: 'g', namespace: 'mcp__x' },
        arguments: '{"n":1}',
      },
    ];
    assert.deepEqual(outputOf(done), output, how);
    assert.deepEqual(outputOf(await client.responses.retrieve(done.id)), output, 'retrieved as streamed');
    assert.equal(done.output_text, 'Look:');
  }
});

test('a tool that no engine has is left out, and a header says so', async () => {
  for (const extra of [{ stream: true }, { background: true }]) {
    const answer = await post(stack, '/v1/responses', {
      ...{
        model,
        input: 'hi',
        tools: [{ type: 'web_search' }, { type: 'mcp' }],
        tool_choice: 'auto',
        ...extra,
      },
    });
    await answer.text();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('x-penstock-omitted-tools'), 'web_search, mcp');
    await waitFor(() => lastSent()?.messages.length === 1 && !('tool_choice' in lastSent()));
  }
});

const results: ResponseInputItem[] = [
  {
    type: 'custom_tool_call_output',
    call_id: 'call_p',
    output: [
      { type: 'input_text', text: 'patched' },
      { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'auto' },
    ],
  },
  { type: 'function_call_output', call_id: 'call_g', output: '2' },
];
const turn = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'agent' },
  {
    ...{ role: 'assistant', content: 'Look:', reasoning_content: 'I need a patch.' },
    tool_calls: [
      ...[
        {
          id: 'call_p',
          type: 'function',
          function: { name: 'apply_patch', arguments: JSON.stringify({ input: PATCH }) },
        },
      ],
      { id: 'call_g', type: 'function', function: { name: 'mcp__x__g', arguments: '{"n":1}' } },
    ],
  },
  {
    ...{ role: 'tool', tool_call_id: 'call_p' },
    content: [
      { type: 'text', text: 'patched' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'auto' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_g', content: '2' },
];

test('the next turn says the same to the engine, told by items, by references or by the response before', async () => {
  const first = await begin('streamed');
  const user: ResponseInputItem = { role: 'user', content: 'agent' };
  const references = first.output.map(
    ({ id }): ResponseInputItem => ({ type: 'item_reference', id: id ?? '' }),
  );
  const { data } = await client.responses.inputItems.list(first.id);
  const asked = { model, tools, instructions: 'Be brief.' };
  for (const [input, previous_response_id] of [
    [[user, ...(first.output as ResponseInputItem[]), ...results], null],
    [[user, ...references, ...results], null],
    [[{ type: 'item_reference', id: data[0]?.id ?? '' }, ...references, ...results], null],
    [results, first.id],
  ] as [ResponseInputItem[], string | null][]) {
    const next = await client.responses.stream({ ...asked, input, previous_response_id }).finalResponse();
    assert.equal(next.output_text, 'Done.');
    assert.deepEqual(lastSent().messages, turn);
    const listed = (await client.responses.inputItems.list(next.id)).data;
    assert.ok(listed.every(item => (item.type as string) !== 'item_reference'));
  }
});

test('items that are not stored, or another tenant’s, are not found', async () => {
  const first = await begin('streamed');
  const stranger = sdk(stack, { apiKey: OTHER_KEY });
  for (const [who, id] of [
    [client, 'msg_x_0'],
    [client, 'nonsense'],
    [client, first.output[0]?.id?.replace(/_0$/, '_9')],
    [stranger, first.output[0]?.id],
  ] as [OpenAI, string][]) {
    const input: ResponseInputItem[] = [
      { role: 'user', content: 'hi' },
      { type: 'item_reference', id },
    ];
    const error = await who.responses.create({ model, input }).then(
      () => assert.fail('found'),
      (err: InstanceType<typeof OpenAI.APIError>) => err,
    );
    assert.deepEqual([error.status, error.code, error.param], [404, 'item_not_found', 'input']);
  }
});

test('reasoning is packed on request, and read where nothing is stored', async () => {
  const include = ['reasoning.encrypted_content' as const];
  const first = await client.responses
    .stream({ model, input: 'agent', tools, store: false, include })
    .finalResponse();
  const reasoning = first.output[0];
  assert.ok(reasoning?.type === 'reasoning');
  const packed: ResponseInputItem = { ...reasoning, summary: [], content: [] };
  const input = [{ role: 'user' as const, content: 'agent' }, packed, ...first.output.slice(1), ...results];
  await client.responses
    .stream({ model, tools, input: input as ResponseInputItem[], store: false })
    .finalResponse();
  assert.deepEqual(lastSent().messages, turn.slice(1));
});

test('a refusal is kept, in the response and for the next turn', async () => {
  const first = await client.responses.stream({ model, input: 'refuse' }).finalResponse();
  const [said] = (await client.responses.retrieve(first.id)).output;
  assert.deepEqual(said?.type === 'message' && said.content, [{ type: 'refusal', refusal: 'I will not.' }]);
  await client.responses.stream({ model, input: 'hi', previous_response_id: first.id }).finalResponse();
  assert.deepEqual(lastSent().messages[1], { role: 'assistant', content: 'I will not.' });
});

test('what the client did wrong is not called the server’s error', async () => {
  const codes = {
    'Images are not understood.': 'invalid_prompt',
    'The prompt is too long.': 'context_length_exceeded',
  };
  for (const [message, code] of Object.entries(codes)) {
    const { id } = await client.responses.create({ model, input: `refused: ${message}`, background: true });
    await waitFor(async () => (await client.responses.retrieve(id)).status === 'failed');
    const { error } = await client.responses.retrieve(id);
    assert.deepEqual(error, { code, message });
  }
});
