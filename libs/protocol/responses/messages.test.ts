import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError } from '../errors/errors.ts';
import { seeded } from '../random.fixture.ts';
import { type ChatMessage, type InputItem, messagesOf } from './messages.ts';
import { sealed } from './reasoning.ts';
import { ToolBook } from './tools.ts';

const book = new ToolBook([{ type: 'namespace', name: 'mcp__x', tools: [{ type: 'function', name: 'g' }] }]);
const convert = (items: readonly InputItem[], instructions: string | null = null) =>
  messagesOf(items, instructions, book);
const user = { role: 'user', content: 'hi' };
const call = (call_id: string, name = 'f') => ({ type: 'function_call', call_id, name, arguments: '{}' });
const output = (call_id: string, said: unknown = 'ok') => ({
  ...{ type: 'function_call_output', call_id, output: said },
});
const asked = (id: string, name = 'f') => ({ id, type: 'function', function: { name, arguments: '{}' } });
const PNG = 'data:image/png;base64,iVBORw0KGgo=';

test('all that is said for the system is one message, at the beginning', () => {
  const developer = { role: 'developer', content: [{ type: 'input_text', text: 'Permissions.' }] };
  const items = [developer, user, { role: 'system', content: 'Later.' }, { ...user, content: 'more' }];
  assert.deepEqual(convert(items, 'You are terse.'), [
    { role: 'system', content: 'You are terse.\n\nPermissions.\n\nLater.' },
    user,
    { ...user, content: 'more' },
  ]);
});

test('what the assistant thought, said and called in a row is one message', () => {
  const items = [
    user,
    { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'I need f' }] },
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Let me look.' }] },
    call('c1'),
    { type: 'custom_tool_call', call_id: 'c2', name: 'patch', input: 'a "b"\n' },
    { ...call('c3', 'g'), namespace: 'mcp__x' },
    output('c1'),
    { type: 'custom_tool_call_output', call_id: 'c2', output: 'done' },
    output('c3', ''),
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'thinking on' }] },
    call('c4'),
  ];
  const patch = { name: 'patch', arguments: '{"input":"a \\"b\\"\\n"}' };
  assert.deepEqual(convert(items), [
    user,
    {
      role: 'assistant',
      content: 'Let me look.',
      reasoning_content: 'I need f',
      tool_calls: [asked('c1'), { id: 'c2', type: 'function', function: patch }, asked('c3', 'mcp__x__g')],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'ok' },
    { role: 'tool', tool_call_id: 'c2', content: 'done' },
    { role: 'tool', tool_call_id: 'c3', content: '' },
    { role: 'assistant', content: null, reasoning_content: 'thinking on', tool_calls: [asked('c4')] },
  ]);
});

test('a tool’s output in parts is text, or text and images', () => {
  const text = (said: string) => ({ type: 'input_text', text: said });
  const image = { type: 'input_image', image_url: PNG };
  const contentOf = (said: unknown) => convert([call('c'), output('c', said)])[1]?.['content'];
  assert.equal(contentOf([text('line 1'), text('line 2')]), 'line 1\nline 2');
  assert.deepEqual(contentOf([text('a map'), image]), [
    { type: 'text', text: 'a map' },
    { type: 'image_url', image_url: { url: PNG, detail: 'auto' } },
  ]);
  assert.equal(contentOf({ rows: [1] }), '{"rows":[1]}');
  assert.equal(contentOf([]), '');
});

test('files and sound: text is read, the rest is the engine’s to read', () => {
  const contentOf = (part: object) => convert([{ role: 'user', content: [part] }])[0]?.['content'];
  const data = `data:text/markdown;base64,${Buffer.from('# Überschrift').toString('base64')}`;
  assert.equal(contentOf({ type: 'input_file', filename: 'a.md', file_data: data }), 'a.md:\n# Überschrift');
  const pdf = { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' };
  assert.deepEqual(contentOf({ type: 'input_file', ...pdf }), [{ type: 'file', file: pdf }]);
  const sound = { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } };
  assert.deepEqual(contentOf(sound), [sound]);
});

test('refusals and packed reasoning are kept; reasoning that led to nothing, and items of other tools are not', () => {
  const items = [
    { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'I will not.' }] },
    user,
    { type: 'reasoning', summary: [{ text: 'short' }], encrypted_content: sealed('long') },
    { type: 'web_search_call', id: 'ws_1', status: 'completed' },
    call('c'),
    output('c'),
    { type: 'reasoning', summary: [], encrypted_content: 'of another server' },
    user,
  ];
  const told = convert(items);
  assert.equal(told[0]?.['content'], 'I will not.');
  assert.equal(told[2]?.['reasoning_content'], 'long');
  assert.deepEqual(
    told.map(message => message['role']),
    ['assistant', 'user', 'assistant', 'tool', 'user'],
  );
});

test('what cannot be read is refused by its place, and the answer names what can', () => {
  for (const [item, param, message] of [
    [{ type: 'telepathy' }, 'input[1].type', /expected message, function_call, /],
    [{ role: 'ghost', content: 'x' }, 'input[1].role', /'input\[1\]\.role': expected user, assistant/],
    [
      { role: 'user', content: [{ type: 'smell' }] },
      'input[1].content[0]',
      /expected a part of type input_text, /,
    ],
    [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }, 'input[1].content[0]', /image_url/],
    [output('c', [{ type: 'smell' }]), 'input[1].output[0]', /expected a part of type input_text, /],
  ] as const)
    assert.throws(() => convert([user, item]), { code: 'invalid_request', param, message });
});

const rand = seeded(5);
const pick = <T>(from: readonly T[]): T => from[Math.floor(rand() * from.length)] as T;
let made = 0;
const word = () => `w${made++}.`;

/** An item of any kind, with texts and ids of its own. */
function randomItem(): InputItem {
  const id = word();
  const text = (type: string) => ({ type, text: word() });
  const parts = () =>
    pick([[text('input_text')], [text('input_text'), { type: 'input_image', image_url: PNG }]]);
  return pick<() => InputItem>([
    () => ({ role: 'user', content: pick([word(), parts()]) }),
    () => ({
      type: 'message',
      role: pick(['system', 'developer']),
      content: pick([word(), [text('input_text')]]),
    }),
    () => ({ type: 'message', role: 'assistant', content: [text('output_text')] }),
    () => ({ type: 'reasoning', summary: [], content: [text('reasoning_text')] }),
    () => ({ ...call(id), ...pick([{}, { namespace: 'mcp__x', name: 'g' }]) }),
    () => ({ type: 'custom_tool_call', call_id: id, name: 'p', input: word() }),
    () => output(id, pick([word(), parts()])),
    () => ({ type: 'web_search_call', id }),
  ])();
}

const wordsIn = (value: unknown) => JSON.stringify(value).match(/w\d+\./g) ?? [];
/** In another order only where something is said for the system; reasoning may lead to nothing. */
const saidIn = (items: readonly InputItem[]) =>
  items.filter(
    ({ type, role }) =>
      type !== 'reasoning' && type !== 'web_search_call' && role !== 'system' && role !== 'developer',
  );

test('any conversation: one system message, nobody speaks twice, nothing is lost, nothing changes its place', () => {
  for (let i = 0; i < 2000; i++) {
    const items = Array.from({ length: 1 + rand() * 12 }, randomItem);
    const instructions = pick([null, word()]);
    const told = convert(items, instructions);
    const roles = told.map(message => message['role']);
    assert.ok(!roles.slice(1).includes('system'), 'one system message');
    assert.ok(!roles.some((role, j) => role === 'assistant' && roles[j + 1] === 'assistant'), 'one turn');
    const rest = told.filter(message => message['role'] !== 'system').map(withoutReasoning);
    assert.deepEqual(new Set(wordsIn(rest)), new Set(wordsIn(saidIn(items))));
    const systemWords = wordsIn(items.filter(({ role }) => role === 'system' || role === 'developer'));
    const system = told.find(message => message['role'] === 'system');
    assert.deepEqual(wordsIn(system ?? []).slice(instructions === null ? 0 : 1), systemWords);
    const images = JSON.stringify(items).split(PNG).length;
    assert.equal(
      JSON.stringify(told).split(`"image_url":{"url":"${PNG}"`).length,
      images,
      'images are images',
    );
    const ids = (all: readonly object[]) => JSON.stringify(all).match(/"tool_call_id":"w\d+\."/g) ?? [];
    const outputs = items.filter(({ type }) => type === 'function_call_output');
    assert.deepEqual(
      ids(told),
      outputs.map(({ call_id }) => `"tool_call_id":"${call_id}"`),
    );
  }
});

function withoutReasoning({ reasoning_content: _reasoning, ...message }: ChatMessage): ChatMessage {
  return message;
}

test('whatever is sent, it is converted or refused', () => {
  const odd = [
    undefined,
    null,
    0,
    true,
    '',
    'x',
    [],
    {},
    [null],
    [{}],
    [{ type: 'input_text' }],
    { type: 1 },
  ];
  const types = [
    'message',
    'function_call',
    'function_call_output',
    'reasoning',
    'custom_tool_call',
    'compaction',
  ];
  for (let i = 0; i < 5000; i++) {
    const item: InputItem = {};
    for (const field of [
      'role',
      'content',
      'output',
      'call_id',
      'name',
      'arguments',
      'summary',
      'encrypted_content',
      'namespace',
      'input',
    ])
      if (rand() < 0.7) item[field] = pick([...odd, 'user', 'assistant']);
    item['type'] = pick([...types, ...odd]);
    try {
      convert([item]);
    } catch (err) {
      assert.ok(err instanceof DispatchError, String(err));
    }
  }
});
