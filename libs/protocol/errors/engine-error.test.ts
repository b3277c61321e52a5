import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toEngineErrorBody } from './engine-error.ts';

const told = (body: string) => JSON.parse(toEngineErrorBody(Buffer.from(body)).toString()).error;

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

test('what says nothing is told in our words, and what says too much is cut', () => {
  assert.equal(told('{}').message, 'The engine refused the request.');
  assert.equal(told('{"detail":[{"loc":["body"]}]}').message, 'The engine refused the request.');
  assert.equal(told('{oops').message, 'The engine refused the request.');
  assert.equal(told(JSON.stringify({ message: 'x'.repeat(9000) })).message.length, 2000);
});
