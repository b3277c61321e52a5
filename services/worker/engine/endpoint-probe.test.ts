import assert from 'node:assert/strict';
import { test } from 'node:test';
import { USUAL_ENDPOINTS } from '@penstock/protocol';
import { type AskStatus, parseEndpoints, probeEndpoints } from './endpoint-probe.ts';

/** An engine that answers by rule, and what it was asked. */
function engine(answer: (path: string, method: string) => number) {
  const asked: string[] = [];
  const ask: AskStatus = async (path, method) => {
    asked.push(`${method} ${path}`);
    return answer(path, method);
  };
  return { ask, asked };
}

test('a framework that knows its wrong methods is never posted to', async () => {
  const routes = ['/v1/chat/completions', '/rerank', '/tokenize'];
  const { ask, asked } = engine(path => (routes.includes(path) ? 405 : 404));
  assert.deepEqual(
    [...(await probeEndpoints(ask))],
    [
      ['chat', '/v1/chat/completions'],
      ['rerank', '/rerank'],
      ['tokenize', '/tokenize'],
    ],
  );
  assert.ok(asked.every(line => line.startsWith('GET ')));
});

test('others are sent a request that lacks everything', async () => {
  const answers: Record<string, number> = { '/tokenize': 200, '/detokenize': 400, '/v1/rerank': 501 };
  const { ask, asked } = engine((path, method) => (method === 'POST' ? (answers[path] ?? 404) : 404));
  const found = await probeEndpoints(ask);
  assert.deepEqual([...found.keys()], [...USUAL_ENDPOINTS, 'tokenize', 'detokenize']);
  assert.ok(!asked.includes('POST /v1/chat/completions'));
});

test('an engine that answers alike whatever it is asked, or not at all, is expected to have the usual endpoints', async () => {
  const silent: AskStatus = async () => {
    throw new Error('no answer');
  };
  for (const ask of [engine(() => 200).ask, engine(() => 400).ask, engine(() => 401).ask, silent])
    assert.deepEqual([...(await probeEndpoints(ask)).keys()], USUAL_ENDPOINTS);
});

test('the operator names endpoints, and paths that are not the usual ones', () => {
  assert.equal(parseEndpoints(' auto '), null);
  assert.deepEqual(
    [...(parseEndpoints('chat, rerank=/v2/rerank') ?? [])],
    [
      ['chat', '/v1/chat/completions'],
      ['rerank', '/v2/rerank'],
    ],
  );
  for (const wrong of ['', 'dream', 'chat,,', 'rerank=v2'])
    assert.throws(() => parseEndpoints(wrong), TypeError);
});
