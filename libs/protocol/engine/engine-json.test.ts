import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEngineJson } from './engine-json.ts';

test('numbers that are none, as Python writes them, are read as null, and texts that talk of them stay', () => {
  const text =
    '{"logprobs":[-Infinity, NaN,Infinity ],"top":{"a":-Infinity},"text":"x: NaN, [Infinity] \\" ,NaN"}';
  assert.deepEqual(parseEngineJson(text), {
    ...{ logprobs: [null, null, null], top: { a: null } },
    text: 'x: NaN, [Infinity] " ,NaN',
  });
});

test('what is no JSON is refused', () => {
  for (const text of ['', '{', '{"a":NaNa}', '{"a":-Infinity', '{"a":NaN,"b'])
    assert.throws(() => parseEngineJson(text), SyntaxError, text);
});
