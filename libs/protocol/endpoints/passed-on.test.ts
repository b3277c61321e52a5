import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../wire/endpoints.ts';
import { validateRequest } from './validate-request.ts';

test('what a request has its prompt in is counted, wherever it stands in it', () => {
  const counted = (endpoint: Endpoint, body: object) => {
    const { prompt } = validateRequest(endpoint, { model: 'm', ...body });
    return Object.fromEntries(Object.entries(prompt).filter(([, units]) => units > 0));
  };
  assert.deepEqual(counted('rerank', { query: 'abc', documents: ['de', { text: 'fgh' }] }), { letters: 8 });
  assert.deepEqual(counted('score', { text_1: 'abc', text_2: ['de', 'f'] }), { letters: 6 });
  assert.deepEqual(counted('classify', { input: [[1, 2, 3]] }), { ids: 3 });
  assert.deepEqual(counted('tokenize', { prompt: 'costs the engine nothing' }), {});
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1e6)}` } };
  const input = [{ type: 'text', text: 'abc' }, image];
  assert.deepEqual(counted('moderations', { input }), { letters: 3, largeImages: 1 });
  const source = { type: 'base64', data: 'A'.repeat(5000) };
  assert.deepEqual(
    counted('messages', {
      max_tokens: 1,
      messages: [{ role: 'user', content: [{ type: 'image', source }] }],
    }),
    { letters: 4, smallImages: 1 },
  );
});

test('what every engine needs is checked, all else is left to it', () => {
  const refused = (body: object) => {
    assert.throws(() => validateRequest('rerank', body), { code: 'invalid_request' });
  };
  refused({ query: 'q', documents: ['d'] });
  refused({ model: 'm', documents: ['d'] });
  refused({ model: 'm', query: 'q', documents: [] });
  refused({ model: 'm', query: 'q', documents: ['d'], top_n: 0 });
  validateRequest('rerank', { model: 'm', query: 'q', documents: ['d'], top_n: null, rank_fields: ['x'] });
  validateRequest('tokenize', { model: 'm', content: 'as llama.cpp has it' });
});
