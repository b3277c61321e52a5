import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_TABLE, ENDPOINTS, queueOf, queuesOf, USUAL_ENDPOINTS } from './endpoints.ts';
import { isToken } from './token.ts';

const model = (slug: string, ...endpoints: (typeof ENDPOINTS)[number][]) => ({ slug, endpoints });

test('usual endpoints share the queue of the model, the others one that is named by them', () => {
  const served = model('m', ...USUAL_ENDPOINTS, 'rerank', 'score');
  for (const endpoint of USUAL_ENDPOINTS) assert.equal(queueOf(served, endpoint), 'm');
  const queue = queueOf(served, 'rerank') ?? '';
  assert.ok(isToken(queue) && queue !== 'm');
  assert.equal(queueOf(served, 'score'), queue);
  assert.deepEqual(queuesOf(served), ['m', queue]);
});

test('only workers whose engines have the same endpoints share a queue', () => {
  const queue = queueOf(model('m', 'chat', 'rerank', 'score'), 'rerank');
  assert.equal(queueOf(model('m', 'score', 'rerank'), 'rerank'), queue);
  assert.notEqual(queueOf(model('m', 'chat', 'rerank'), 'rerank'), queue);
  assert.notEqual(queueOf(model('n', 'chat', 'rerank', 'score'), 'rerank'), queue);
});

test('an engine has no queue for what it does not have', () => {
  assert.equal(queueOf(model('m', 'chat'), 'rerank'), null);
  assert.equal(queueOf(model('m', 'rerank'), 'chat'), null);
  assert.deepEqual(queuesOf(model('m')), []);
});

test('a queue of the longest name is a token', () => {
  const queue = queueOf(model('m'.repeat(48), ...ENDPOINTS), 'rerank');
  assert.ok(isToken(queue ?? ''));
});

test('no two endpoints have the same path', () => {
  for (const side of ['paths', 'enginePaths'] as const) {
    const all = ENDPOINTS.flatMap(name => ENDPOINT_TABLE[name][side]);
    assert.equal(new Set(all).size, all.length);
  }
});

test('messages are queued with chat completions, and make no difference to the other queue', () => {
  const served = model('m', 'chat', 'messages', 'rerank');
  assert.equal(queueOf(served, 'messages'), 'm');
  assert.equal(queueOf(served, 'rerank'), queueOf(model('m', 'chat', 'rerank'), 'rerank'));
});
