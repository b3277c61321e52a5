import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { Continuing } from './continuing.ts';

const WORDS = ['One', ',', ' two', ',', ' three', ',', ' four'];
type Asked = {
  messages: { role: string; content: string }[];
  max_tokens: number;
  continue_final_message?: true;
};
type Model = (asked: Asked) => string | number | null;

/** Says its words from the first one that it has not said. */
const obeys: Model = ({ messages, max_tokens, continue_final_message }) => {
  const last = messages.at(-1);
  const said = continue_final_message && last?.role === 'assistant' ? last.content : '';
  const from = WORDS.findIndex((_, i) => WORDS.slice(0, i).join('').trim() === said.trim());
  return WORDS.slice(from, from + max_tokens).join('');
};
const repeats: Model = ({ max_tokens }) => WORDS.slice(0, max_tokens).join('');

function start(model: Model, configured: boolean | null = null) {
  let asked = 0;
  const continuing = new Continuing({
    engine: {
      ask: async (_endpoint, body) => {
        asked++;
        const said = model(body as Asked);
        if (said === null) throw new Error('reset');
        const answer = { choices: [{ message: { content: said }, finish_reason: 'length' }] };
        const isError = typeof said === 'number';
        return { status: isError ? said : 200, body: Buffer.from(isError ? '{}' : JSON.stringify(answer)) };
      },
    },
    configured: () => configured,
    log: { info() {} } as unknown as Logger,
  });
  const about = { endpoint: 'chat', slug: 'm', model: 'm' } as WorkMeta;
  return { continuing, about, can: () => continuing.canContinue(about), asked: () => asked };
}

test('whether an engine goes on or begins again is seen from what it says', async () => {
  assert.equal(await start(obeys).can(), true);
  assert.equal(await start(repeats).can(), false);
  assert.equal(await start(() => 'One two three').can(), false, 'always the same, whatever the limit');
  assert.equal(await start(asked => (asked.continue_final_message ? 400 : repeats(asked))).can(), false);
});

test('an engine is asked once for each model, and again when it was replaced', async () => {
  const { continuing, about, can, asked } = start(obeys);
  await Promise.all([can(), can()]);
  await can();
  assert.equal(asked(), 3);
  await continuing.canContinue({ ...about, slug: 'n' });
  assert.equal(asked(), 6);
  continuing.forget();
  await can();
  assert.equal(asked(), 9);
});

test('what cannot be told is no, and asked again the next time', async () => {
  const models: Model[] = [
    () => null,
    () => 503,
    () => '',
    () => 'ha'.repeat(9),
    // It begins an answer of its own, which is neither the beginning nor what follows it.
    asked => (asked.continue_final_message ? 'Sure, here' : obeys(asked)),
    (() => {
      let n = 0;
      return () => `answer ${n++}`;
    })(),
  ];
  for (const model of models) {
    const { can, asked } = start(model);
    assert.equal(await can(), false);
    const before = asked();
    assert.equal(await can(), false);
    assert.ok(asked() > before || model({ messages: [], max_tokens: 1 }) === 'ha'.repeat(9));
  }
});

test('the operator has the last word, and completions need none', async () => {
  for (const known of [true, false]) {
    const { continuing, about, can, asked } = start(obeys, known);
    assert.equal(await can(), known);
    assert.equal(await continuing.canContinue({ ...about, endpoint: 'completions' }), true);
    assert.equal(asked(), 0);
  }
});

test('a partial answer is counted by the engine’s tokenizer, where it has one', async () => {
  const said = new Map<string, object | number>([
    ['One two', { count: 2, tokens: [1, 2] }],
    ['llama.cpp', { tokens: [1, 2, 3] }],
    ['TGI', [{ id: 1 }, { id: 2 }]],
    ['refused', 400],
    ['odd', { count: 'many' }],
  ]);
  const continuing = new Continuing({
    engine: {
      ask: async (endpoint, body) => {
        assert.equal(endpoint, 'tokenize');
        const answer = said.get((body as { prompt: string }).prompt);
        if (answer === undefined) throw new Error('reset');
        const isError = typeof answer === 'number';
        return { status: isError ? answer : 200, body: Buffer.from(isError ? '' : JSON.stringify(answer)) };
      },
    },
    configured: () => true,
    log: { info() {} } as unknown as Logger,
  });
  const count = (text: string, slug = 'm') => continuing.countTokens({ slug, model: slug }, text);
  assert.equal(await count('One two'), null, 'not known to have one yet');
  await continuing.learn([
    { name: 'm', slug: 'm', endpoints: ['chat', 'tokenize'] },
    { name: 'other', slug: 'other', endpoints: ['chat'] },
  ]);
  const counts = await Promise.all([...said.keys(), 'lost'].map(text => count(text)));
  assert.deepEqual(counts, [2, 3, 2, null, null, null]);
  assert.equal(await count('One two', 'other'), null);
});
