import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../wire/endpoints.ts';
import { servedBy } from './served-by.ts';
import { validateRequest } from './validate-request.ts';

function serve(text: string, model: string, defaults = {}, endpoint: Endpoint = 'chat') {
  const parsed = JSON.parse(text);
  const request = { body: Buffer.from(text), summary: validateRequest(endpoint, parsed) };
  const served = servedBy(endpoint, request, parsed, { model, defaults });
  return { request, served, text: served.request.body.toString() };
}
const MESSAGES = '"messages":[{"role":"user","content":"the \\"model\\": m"}]';

test('a request for a model under its own name and without defaults is passed on as it is', () => {
  const text = `{"model":"m",${MESSAGES}}`;
  const { request, served } = serve(text, 'm');
  assert.equal(served.request, request);
});

test("of the bytes only the model's name is replaced", () => {
  const text = `{ ${MESSAGES}, "model" : "gpt-4o", "seed": 18446744073709551615, "x": {"model":"gpt-4o"} }`;
  const served = serve(text, 'org/M');
  assert.equal(served.text, text.replace('"model" : "gpt-4o"', '"model" :"org/M"'));
  assert.equal(served.served.request.summary.model, 'org/M');
  assert.equal((served.served.parsed as { model: string }).model, 'org/M');
});

test('defaults fill in only what the client left out, under any of its names', () => {
  const defaults = { temperature: 0.6, top_k: 20, max_tokens: 500 };
  const own = serve(`{"model":"m",${MESSAGES},"temperature":null,"max_completion_tokens":7}`, 'm', defaults);
  assert.equal(own.text, `{"model":"m",${MESSAGES},"temperature":null,"max_completion_tokens":7,"top_k":20}`);
  assert.equal(own.served.request.summary.maxTokens, 7);
  const none = serve(`{"model":"m",${MESSAGES}}`, 'm', defaults);
  assert.equal(none.served.request.summary.maxTokens, 500, 'what dispatch knows of the request has them too');
});

test('a default that does not suit what is asked is left out, the others are not', () => {
  const text = '{"model":"m","prompt":"x"}';
  const { served, text: sent } = serve(text, 'm', { logprobs: true, top_k: 20 }, 'completions');
  assert.equal(sent, '{"model":"m","prompt":"x","top_k":20}');
  assert.equal(served.request.summary.model, 'm');
});

test('what is no generation has no defaults', () => {
  const text = '{"model":"m","prompt":"x"}';
  assert.equal(serve(text, 'm', { temperature: 0.6 }, 'tokenize').text, text);
});
