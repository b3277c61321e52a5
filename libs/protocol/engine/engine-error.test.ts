import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CONTEXT_CODE, findError, readEngineError, statusForClient } from './engine-error.ts';

const told = (body: string) => readEngineError(400, Buffer.from(body)).body.error;

test('every engine’s refusal gets the same four keys', () => {
  const shape = { message: 'too long', type: 'BadRequestError', param: null, code: null };
  assert.deepEqual(
    told('{"error":{"message":"too long","type":"BadRequestError","param":null,"code":400}}'),
    shape,
  );
  assert.deepEqual(
    told('{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}'),
    shape,
  );
  const plain = { ...shape, type: 'invalid_request_error' };
  assert.deepEqual(told('{"detail":"too long"}'), plain);
  assert.deepEqual(told('{"error":"too long"}'), plain);
  assert.deepEqual(
    told('{"error":{"message":"too long","param":"messages","code":"context_length_exceeded"}}'),
    {
      ...plain,
      param: 'messages',
      code: 'context_length_exceeded',
    },
  );
});

test('an error without a message gets ours, and one that is too long is cut', () => {
  assert.equal(told('{}').message, 'The engine refused the request.');
  assert.equal(told('{"detail":[{"loc":["body"]}]}').message, 'The engine refused the request.');
  assert.equal(told('{oops').message, 'The engine refused the request.');
  assert.equal(told(JSON.stringify({ message: 'x'.repeat(9000) })).message.length, 2000);
});

test('fields that FastAPI finds wrong are named with the reason, and what they held is not repeated', () => {
  const detail = [
    {
      type: 'missing',
      loc: ['body', 'messages', 0, 'role'],
      msg: 'Field required',
      input: { content: 'secret' },
    },
    {
      type: 'less_than_equal',
      loc: ['body', 'top_p'],
      msg: 'Input should be at most 1',
      input: 7,
      ctx: { le: 1 },
    },
  ];
  const { fault, body } = readEngineError(422, Buffer.from(JSON.stringify({ detail })));
  assert.equal(fault, 'client');
  assert.deepEqual(body.error, {
    message: 'messages[0].role: Field required; top_p: Input should be at most 1',
    type: 'invalid_request_error',
    param: 'messages[0].role',
    code: null,
  });
  assert.equal(told(JSON.stringify({ detail: { message: 'no adapter' } })).message, 'no adapter');
  assert.equal(told(JSON.stringify({ detail: [{ loc: ['body'], msg: 'not JSON' }] })).message, 'not JSON');
  const many = Array(50).fill(detail[0]);
  assert.equal(told(JSON.stringify({ detail: many })).message.split(';').length, 5);
});

test('an error is found in every spelling, and an answer is none', () => {
  const flat = { object: 'error', message: 'no', type: 'BadRequestError', code: 400 };
  const errors: [said: object, status: number][] = [
    [{ error: { message: 'no', code: 400 } }, 400],
    [{ id: 'x', choices: [], error: { message: 'no', type: 'InternalServerError' } }, 500],
    [{ error: 'no' }, 500],
    [flat, 400],
    [Object.fromEntries(Object.entries(flat).reverse()), 400],
    [{ type: 'error', error: { type: 'overloaded_error', message: 'no' } }, 503],
    [{ error: { message: 'no', code: '429' } }, 429],
    [{ error: { message: 'no', code: 'rate_limit_exceeded' } }, 429],
    [{ error: { message: 'no', type: 'exceed_context_size_error' } }, 400],
    [{ error: { message: 'the request exceeds the available context size', code: 500 } }, 400],
    [{ error: { message: 'no', code: null, type: 'NotFoundError' } }, 404],
    [{ detail: 'no' }, 500],
    [{ error: 'no', error_type: 'validation' }, 400],
    [{ error: 'no', error_type: 'overloaded' }, 503],
    [{ error: 'no', error_type: 'generation' }, 500],
    [{ message: 'no', type: 'Overloaded', code: 429 }, 429],
    [{ message: 'no', type: 'BadRequestError' }, 400],
  ];
  for (const [said, status] of errors) assert.equal(findError(said)?.status, status, JSON.stringify(said));
  assert.equal(findError({ message: 'no' }, 'error')?.words, 'no');
  const answers = [
    { error: null, choices: [] },
    { error: '', choices: [] },
    { object: 'list', data: [] },
    null,
    [],
    7,
    { type: 'message', message: 'no error' },
    { message: 'no error', code: 200 },
    { message: 'no error', code: 404, data: [] },
  ];
  for (const said of answers) assert.equal(findError(said), null, JSON.stringify(said));
});

test('the status says whose fault it is', () => {
  const faults: [status: number, fault: string][] = [
    ...[400, 402, 404, 405, 408, 409, 413, 415, 422, 501].map((status): [number, string] => [
      status,
      'client',
    ]),
    ...[429, 503, 529].map((status): [number, string] => [status, 'busy']),
    ...[200, 204, 301, 302, 401, 403, 407].map((status): [number, string] => [status, 'misconfigured']),
    ...[424, 500, 502, 504].map((status): [number, string] => [status, 'engine']),
  ];
  for (const [status, fault] of faults)
    assert.equal(
      readEngineError(status, Buffer.from('{"error":{"message":"no"}}')).fault,
      fault,
      `${status}`,
    );
});

test('a missing route has an error of its own, a missing model the message of the engine', () => {
  const message = (status: number, body: string) =>
    readEngineError(status, Buffer.from(body)).body.error.message;
  assert.equal(message(404, '{"detail":"Not Found"}'), 'The engine has no such endpoint: Not Found');
  assert.equal(message(404, '404 page not found'), 'The engine has no such endpoint: 404 page not found');
  assert.equal(message(405, '<html>'), 'The engine has no such endpoint.');
  assert.match(message(404, '{"error":{"message":"Not Found","code":404}}'), /no such endpoint/);
  assert.match(message(404, '{"error":{"message":"File Not Found","code":404}}'), /no such endpoint/);
  assert.equal(message(404, '{"error":{"message":"no adapter x"}}'), 'no adapter x');
  assert.match(message(401, '{"error":"bad key"}'), /credentials.*bad key/);
});

test('a model that an engine does not have is one, however the engine says it', () => {
  for (const said of [
    { error: { message: 'The model `x` does not exist.', code: 404 } },
    { error: "model 'x' not found" },
    { detail: 'Model x is not loaded' },
  ]) {
    const { message, code } = readEngineError(404, Buffer.from(JSON.stringify(said))).body.error;
    assert.match(message, /^.?.?.?.?model .?x/i);
    assert.equal(code, 'model_not_found');
  }
});

test('a client is not sent elsewhere by an engine', () => {
  for (const status of [204, 302, 407]) {
    const error = readEngineError(status, Buffer.from(''));
    assert.equal(statusForClient(error), 502);
    assert.match(error.body.error.message, new RegExp(`operator to mend \\(${status}\\)`));
  }
  assert.equal(statusForClient(readEngineError(404, Buffer.from(''))), 404);
});

/** As engines say that a prompt is too long. */
const TOO_LONG = [
  "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
  "You passed 5000 input tokens and requested 10 output tokens. However, the model's context length is only 4096 tokens.",
  'The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller.',
  "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
  "Requested token count exceeds the model's maximum context length of 4096 tokens.",
  'the request exceeds the available context size, try increasing it',
  'request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it',
  'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`',
  'Input validation error: `inputs` must have less than 1024 tokens. Given: 5000',
  'the input length exceeds the context length',
  'prompt too long; exceeded max context length by 904 tokens',
  'Prompt length (5000) exceeds maximum input length (4096).',
  'prompt is too long: 5000 tokens > 4096 maximum',
];

test('a prompt that is too long is the client’s fault, also where the engine calls it its own', () => {
  for (const message of TOO_LONG) {
    const { fault, status } = readEngineError(500, Buffer.from(JSON.stringify({ error: { message } })));
    assert.deepEqual([fault, status], ['client', 400], message);
  }
  for (const message of ['CUDA is out of memory', 'the context was lost']) {
    const { fault, status } = readEngineError(500, Buffer.from(JSON.stringify({ error: { message } })));
    assert.deepEqual([fault, status], ['engine', 500], message);
  }
});

test('a prompt that is too long has the code that clients look for, whatever the engine has in its place', () => {
  const codeOf = (said: object, status = 400) =>
    readEngineError(status, Buffer.from(JSON.stringify(said))).body.error.code;
  for (const message of TOO_LONG)
    for (const code of [undefined, null, 400, '400', ''])
      assert.equal(codeOf({ error: { message, code } }), CONTEXT_CODE, `${message} ${code}`);
  assert.equal(codeOf({ object: 'error', message: TOO_LONG[0], code: 400 }), CONTEXT_CODE);
  assert.equal(codeOf({ error: TOO_LONG[7], error_type: 'validation' }, 422), CONTEXT_CODE);
  assert.equal(codeOf({ detail: TOO_LONG[3] }), CONTEXT_CODE);
  const named = { message: 'too much', type: 'exceed_context_size_error', code: 400, n_ctx: 4096 };
  assert.equal(codeOf({ error: named }), CONTEXT_CODE);
  assert.equal(findError({ error: named })?.body.error.code, CONTEXT_CODE);
  assert.equal(codeOf({ error: { message: TOO_LONG[0], code: 'its_own_code' } }), 'its_own_code');
  for (const message of ['top_p must be at most 1', 'At most 1 image may be provided in one request'])
    assert.equal(codeOf({ error: { message, code: 400 } }), null, message);
  assert.equal(codeOf({ error: { message: TOO_LONG[0] } }, 429), null, 'it is said to have no room now');
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  assert.match(page, new RegExp(`^\\| too long for the context.*\`${CONTEXT_CODE}\``, 'm'));
});
