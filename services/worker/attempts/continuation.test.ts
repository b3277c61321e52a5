import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, eventData } from '@penstock/protocol';
import { createContinuation } from './continuation.ts';
import { Contradiction } from './repetition.ts';

const RESUME = {
  ...({ kind: 'continue', text: 'Hel', chunks: 2, chunkId: 'c1', created: 7 } as const),
  ...{ tokens: null, promptTokens: null, finish: null },
} as const;

function bodyOf(endpoint: Endpoint, body: object, resume = RESUME as typeof RESUME | { text: '' }) {
  const continuation = createContinuation(endpoint, { ...RESUME, ...resume }, true);
  return JSON.parse(continuation.bodyFrom(Buffer.from(JSON.stringify(body))).toString());
}

const say = (content: string, finish: string | null = null) => ({
  choices: [{ delta: { content }, finish_reason: finish }],
});

/** What the client sees of the events. */
function rewritten(...chunks: (object | string)[]) {
  return rewrittenBy(true, ...chunks);
}

function rewrittenBy(goesOn: boolean, ...chunks: (object | string)[]) {
  const events = chunks.map(
    chunk => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`,
  );
  const { rewrite } = createContinuation('chat', RESUME, goesOn);
  const shown = rewrite(Buffer.from(events.join(''))).toString();
  return [...eventData(shown)].map(data => (data === '[DONE]' ? data : JSON.parse(data)));
}

test('a chat goes on after the partial answer, with what is left of its token limit', () => {
  const asked = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 10, temperature: 0 };
  assert.deepEqual(bodyOf('chat', asked), {
    ...asked,
    messages: [...asked.messages, { role: 'assistant', content: 'Hel' }],
    max_tokens: 8,
    add_generation_prompt: false,
    continue_final_message: true,
  });
  assert.equal(bodyOf('chat', { messages: [], max_completion_tokens: 2 }).max_completion_tokens, 1);
});

test('a completion goes on after its prompt and the partial answer', () => {
  assert.deepEqual(bodyOf('completions', { prompt: 'Say: ' }), { prompt: 'Say: Hel' });
});

test('a request whose client has no text yet is sent as it was', () => {
  const asked = { messages: [{ role: 'user', content: 'Hi' }] };
  assert.deepEqual(bodyOf('chat', asked, { text: '' }), asked);
});

test('chunks get id and time of the stream that they continue, and the role is not repeated', () => {
  const chunk = (delta: object) => ({ id: 'c2', created: 9, choices: [{ delta, finish_reason: null }] });
  const known = (delta: object) => ({ ...chunk(delta), id: 'c1', created: 7 });
  assert.deepEqual(
    rewritten(
      chunk({ role: 'assistant', content: '' }),
      chunk({ role: 'assistant', content: 'lo' }),
      chunk({ content: '!' }),
      '[DONE]',
    ),
    [known({ content: 'lo' }), known({ content: '!' }), '[DONE]'],
  );
});

test('a chunk that ends the answer stays, with or without a role', () => {
  const [last] = rewritten({ choices: [{ delta: { role: 'assistant' }, finish_reason: 'stop' }] });
  assert.deepEqual(last?.choices, [{ delta: {}, finish_reason: 'stop' }]);
});

test('the partial answer is counted as output, though this engine read it as prompt', () => {
  const [chunk] = rewritten({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 3 } });
  assert.deepEqual(chunk?.usage, { prompt_tokens: 10, completion_tokens: 5 });
  const [none] = rewritten({ choices: [], usage: null });
  assert.equal(none?.usage, null);
});

/** What a continuation that knows this of the partial answer makes of request and events. */
function continued(
  known: Partial<Parameters<typeof createContinuation>[1]>,
  body: object,
  ...events: object[]
) {
  const { bodyFrom, rewrite } = createContinuation('chat', { ...RESUME, ...known }, true);
  const asked = JSON.parse(bodyFrom(Buffer.from(JSON.stringify({ messages: [], ...body }))).toString());
  const shown = rewrite(Buffer.from(events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('')));
  return { asked, shown: [...eventData(shown.toString())].map(data => JSON.parse(data)) };
}
const usageChunk = (prompt: number, completion: number, cached = 0) => ({
  choices: [],
  usage: {
    ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    prompt_tokens_details: { cached_tokens: cached },
  },
});

test('tokens that were counted are taken off limits and moved in the usage, however many a chunk has', () => {
  const limits = { max_tokens: 10, min_tokens: 8 };
  const { asked, shown } = continued(
    { tokens: 7 },
    limits,
    say('lo'),
    say('', 'length'),
    usageChunk(12, 3, 11),
  );
  assert.deepEqual([asked.max_tokens, asked.min_tokens], [3, 1]);
  assert.deepEqual(shown.at(-1)?.usage, usageChunk(5, 10, 5).usage);
  const { shown: told } = continued({ tokens: 7, promptTokens: 6 }, {}, usageChunk(12, 3));
  assert.deepEqual(told[0]?.usage, usageChunk(6, 10).usage, 'as the first engine had it');
});

test('an answer that has all its tokens gets its end and its usage, and not a token more', () => {
  const { asked, shown } = continued(
    { tokens: 10 },
    { max_completion_tokens: 10 },
    ...[say('more'), say('', 'stop'), usageChunk(15, 1)],
  );
  assert.equal(asked.max_completion_tokens, 1, 'no engine takes 0');
  assert.deepEqual(
    shown.map(({ choices }) => choices),
    [[{ delta: {}, finish_reason: 'length' }], []],
  );
  assert.deepEqual(shown.at(-1)?.usage, usageChunk(5, 10).usage);
});

test('an answer that has its end gets what follows that alone', () => {
  const { asked, shown } = continued(
    { tokens: 4, finish: 'stop' },
    { max_tokens: 10 },
    ...[say('more', 'length'), usageChunk(9, 1)],
  );
  assert.equal(asked.max_tokens, 1);
  assert.deepEqual(shown, [{ ...usageChunk(5, 4), id: 'c1', created: 7 }]);
});

const textOf = (chunks: { choices: { delta: { content?: string } }[] }[]) =>
  chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('');

test('an engine that cannot go on is asked as the client asked, and heard from where the client is', () => {
  const asked = Buffer.from('{"messages":[{"role":"user","content":"Hi"}],"max_tokens":10}');
  assert.equal(createContinuation('chat', RESUME, false).bodyFrom(asked), asked);
  const usage = { choices: [], usage: { prompt_tokens: 10, completion_tokens: 4 } };
  const shown = rewrittenBy(false, say('H'), say('el'), say('lo'), say('', 'stop'), usage);
  assert.equal(textOf(shown), 'lo');
  assert.deepEqual(shown.at(-1)?.usage, { prompt_tokens: 10, completion_tokens: 4 });
});

test('it must not say anything else', () => {
  for (const chunks of [[say('Ho')], [say('He', 'stop')], [say('', 'tool_calls')]])
    assert.throws(() => rewrittenBy(false, ...chunks), Contradiction);
});

test('an engine that goes on may begin with the words that are there', () => {
  assert.equal(textOf(rewritten(say('Hel'), say('lo'), say('', 'stop'))), 'Hello');
});
