import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateRequest } from './validate-request.ts';

test('the text of a request is its prompt, wherever it stands in it', () => {
  const size = (endpoint: 'classify' | 'moderations' | 'rerank' | 'score' | 'tokenize', body: object) =>
    validateRequest(endpoint, { model: 'm', ...body }).promptBytes;
  assert.equal(size('rerank', { query: 'abc', documents: ['de', { text: 'fgh' }] }), 8);
  assert.equal(size('score', { text_1: 'abc', text_2: ['de', 'f'] }), 6);
  assert.equal(size('classify', { input: [[1, 2, 3]] }), 12);
  assert.equal(size('tokenize', { prompt: 'costs the engine nothing' }), 0);
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1e6)}` } };
  assert.ok(size('moderations', { input: [{ type: 'text', text: 'abc' }, image] }) < 5000);
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
