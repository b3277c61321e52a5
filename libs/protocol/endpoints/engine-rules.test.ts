import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkForEngine, type EngineRules, GUARDED_FIELDS } from './engine-rules.ts';

const RULES: EngineRules = {
  allowedFields: new Set(),
  whyNotFetched: url => (url.startsWith('https://public.example') ? null : 'It is not public.'),
};
const chat = (more: object, content: unknown = 'hi') => ({
  model: 'm',
  messages: [{ role: 'user', content }],
  ...more,
});

test('fields that have an engine connect, load or run something are refused unless they are allowed', () => {
  for (const name of Object.keys(GUARDED_FIELDS)) {
    const refused = { code: 'invalid_request', param: name, message: /PENSTOCK_ENGINE_FIELDS/ };
    assert.throws(() => checkForEngine(chat({ [name]: { a: 1 } }), RULES), refused, name);
    checkForEngine(chat({ [name]: null }), RULES);
    checkForEngine(chat({ [name]: 1 }), { ...RULES, allowedFields: new Set([name]) });
  }
  for (const path of ['extra_body', 'chat_template_kwargs'])
    assert.throws(() => checkForEngine(chat({ [path]: { chat_template: 'x' } }), RULES), {
      param: `${path}.chat_template`,
    });
});

test('what engines have beyond the API goes on passing', () => {
  const fields = {
    ...{ top_k: 5, min_p: 0.1, repetition_penalty: 1.1, guided_json: { type: 'object' }, guided_regex: 'a' },
    ...{
      chat_template_kwargs: { enable_thinking: false },
      ignore_eos: true,
      best_of: 2,
      stop_token_ids: [1],
    },
    ...{ cache_salt: 's', priority: 1, grammar: 'root ::= "a"', structured_outputs: { json: {} }, lora: [] },
    ...{
      add_generation_prompt: true,
      separate_reasoning: true,
      return_token_ids: true,
      cache_prompt: true,
      seed: 1,
    },
    tools: [
      {
        type: 'function',
        function: { name: 'f', parameters: { properties: { image_url: { type: 'string' } } } },
      },
    ],
    metadata: { chat_template: 'a word' },
  };
  checkForEngine(chat(fields), RULES);
  checkForEngine(chat({}, 'the word chat_template, and http://127.0.0.1 in a text'), RULES);
});

test('media come as bytes or from where everybody may fetch them', () => {
  const parts = (url: string): object[] => [
    { type: 'image_url', image_url: { url } },
    { type: 'image_url', image_url: url },
    { type: 'input_image', image_url: url },
    { type: 'video_url', video_url: { url } },
    { type: 'audio_url', audio_url: { url } },
    { type: 'image', source: { type: 'url', url } },
    { type: 'tool_result', content: [{ type: 'image', source: { type: 'url', url } }] },
    { type: 'input_file', file_url: url },
  ];
  for (const part of parts('http://169.254.169.254/latest'))
    assert.throws(
      () => checkForEngine(chat({}, [part]), RULES),
      { code: 'invalid_request', message: /PENSTOCK_MEDIA_ALLOW/ },
      JSON.stringify(part),
    );
  for (const url of [
    'file:///etc/passwd',
    'FTP://a',
    '//metadata/x',
    ' http://a',
    'gopher://a',
    'javascript:1',
  ])
    assert.throws(
      () => checkForEngine(chat({}, parts(url).slice(0, 1)), RULES),
      { code: 'invalid_request' },
      url,
    );
  for (const url of ['data:image/png;base64,AA==', 'https://public.example/a.png', 'iVBORw0KGgo='])
    checkForEngine(chat({}, parts(url)), RULES);
  assert.throws(
    () => checkForEngine({ input: [{ type: 'image_url', image_url: { url: 'http://a' } }] }, RULES),
    { param: 'input[0].image_url.url' },
  );
  assert.throws(() => checkForEngine(chat({}, [{ type: 'image_embeds', image_embeds: 'AA' }]), RULES), {
    message: /image_embeds/,
  });
});
