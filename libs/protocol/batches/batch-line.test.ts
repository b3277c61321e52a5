import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addTokens, NO_TOKENS } from '../openai/usage.ts';
import { type BatchLine, isBatchError, readBatchLine } from './batch-line.ts';
import { answeredLine } from './batch-output.ts';

const read = (line: object, endpoint: 'chat' | 'responses' | 'embeddings' = 'chat') =>
  readBatchLine(Buffer.from(JSON.stringify(line)), 7, endpoint);
const request = (body: object, url = '/v1/chat/completions') => ({
  ...{ custom_id: 'a', method: 'POST', url, body },
});
const hello = { model: 'm', messages: [{ role: 'user', content: 'hello' }] };

function good(line: object, endpoint?: Parameters<typeof read>[1]): BatchLine {
  const result = read(line, endpoint);
  if (isBatchError(result)) throw new Error(result.message);
  return result;
}

const answer = (body: string, status = 200) => ({
  ...{ status, contentType: 'application/json', body: Buffer.from(body), finishedAt: 5000 },
});

test('an error names its line and field', () => {
  const mistakes: [object, string, string | null][] = [
    [{ ...request(hello), custom_id: 5 }, 'missing_required_parameter', 'custom_id'],
    [{ ...request(hello), url: '/v1/embeddings' }, 'invalid_url', 'url'],
    [request({ model: 'm' }), 'invalid_request', 'body.messages'],
    [request({ ...hello, stream: true }), 'invalid_request', 'body.stream'],
  ];
  for (const [line, code, param] of mistakes) {
    const result = read(line);
    assert.ok(isBatchError(result));
    assert.deepEqual([result.code, result.param, result.line], [code, param, 7]);
  }
});

test('a response is sent as a chat completion, and its answer translated back', () => {
  const url = '/v1/responses';
  const line = good(request({ model: 'm', input: 'hello' }, url), 'responses');
  assert.equal(line.endpoint, 'chat');
  assert.deepEqual(JSON.parse(line.body.toString()), hello);
  const completion = { choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }], created: 3 };
  const told = answeredLine('batch_x-1', line, answer(JSON.stringify(completion)));
  const { body } = JSON.parse(told.text).response;
  assert.deepEqual(
    [body.object, body.status, body.store, body.id],
    ['response', 'completed', false, 'resp_x-1'],
  );
  assert.equal(body.output[0].content[0].text, 'hi');
  for (const field of [{ background: true }, { previous_response_id: 'resp_1' }])
    assert.ok(isBatchError(read(request({ model: 'm', input: 'hello', ...field }, url), 'responses')));
});

test('texts to embed are counted', () => {
  const inputs = (input: unknown) =>
    good(request({ model: 'm', input: input as string }, '/v1/embeddings'), 'embeddings').inputs;
  assert.deepEqual([inputs('a'), inputs(['a', 'b']), inputs([1, 2, 3]), inputs([[1], [2]])], [1, 2, 1, 2]);
});

test('any answer of an engine becomes one line of JSON', () => {
  const line = good({ ...request(hello), custom_id: 'quote " and \n' });
  const odd = ['{"a":\n  [1,\r\n2]}\n', '{"a":"b', 'no', '[]', 'null', ''];
  for (const body of odd) {
    const { text, isGood } = answeredLine('b-1', line, answer(body));
    assert.equal(text.split('\n').length, 2);
    const parsed = JSON.parse(text);
    assert.equal(parsed.custom_id, 'quote " and \n');
    assert.equal(isGood, body === odd[0]);
    assert.equal(parsed.response.status_code, isGood ? 200 : 502);
  }
  assert.equal(answeredLine('b-1', line, answer('{}', 429)).isGood, false);
});

test('usage of all lines is summed', () => {
  const line = good(request(hello));
  const usage = { prompt_tokens: 3, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 1 } };
  const one = answeredLine('b-1', line, answer(JSON.stringify({ usage })));
  const sum = addTokens(addTokens(NO_TOKENS, one.usage), one.usage);
  assert.deepEqual(sum, { input: 6, cached: 2, output: 4, reasoning: 0, total: 10 });
});

test('long numbers reach the engine as the client wrote them', () => {
  const parameters = '{"type":"object","properties":{"n":{"maximum":9223372036854775807}}}';
  const line = (url: string, body: string) =>
    Buffer.from(`{"custom_id":"a", "method":"POST","url":"${url}", "body": ${body} }`);
  const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":${parameters}}}]}`;
  const sent = (text: Buffer, endpoint: 'chat' | 'responses') => {
    const read = readBatchLine(text, 1, endpoint);
    return isBatchError(read) ? read.message : read.body.toString();
  };
  assert.equal(sent(line('/v1/chat/completions', chat), 'chat').trim(), chat);
  const response = `{"model":"m","input":"hi","tools":[{"type":"function","name":"f","parameters":${parameters}}]}`;
  assert.ok(sent(line('/v1/responses', response), 'responses').includes(parameters));
});
