import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guardJson, parseJson } from './json-guard.ts';

const limits = { maxDepth: 3, maxParts: 4, maxNumbers: 6 };
const guard = (text: string) => guardJson(Buffer.from(text), limits);
const TOO_MUCH = { code: 'json_too_complex' };

test('depth counts outside strings only', () => {
  guard('{"a":[["[[[[{{{{"]]}');
  assert.throws(() => guard('[[[[1]]]]'), TOO_MUCH);
});

test('an escaped quote does not end a string', () => {
  guard('{"a":"\\"[[[[[,,,,,,"}');
  guard('{"a":"\\\\","b":1}');
});

test('keys and elements are bounded together', () => {
  guard('["a","b","c","d","e"]');
  assert.throws(() => guard('["a","b","c","d","e","f"]'), TOO_MUCH);
  assert.throws(() => guard('[[],[],[],[],[],[]]'), TOO_MUCH);
  assert.throws(() => guard('[true,true,true,true,true,true]'), TOO_MUCH);
});

test('numbers have a bound of their own, wherever they stand and however they are spaced', () => {
  guard('[1,2,3,4,5,6,7]');
  guard('[1, -2,\n3 , 4,\t5,6,7]');
  guard('{"a":1,"b":[2,3,4]}');
  assert.throws(() => guard('[1,2,3,4,5,6,7,8]'), TOO_MUCH);
  assert.throws(() => guard('["1", "2", "3", "4", "5", "6"]'), TOO_MUCH);
});

test('2,048 inputs of together 300,000 token ids are no attack, nor is a tool schema nested a hundred levels deep', () => {
  const ids = Array.from({ length: 2048 }, () => Array.from({ length: 147 }, (_, i) => 100_000 + i));
  assert.deepEqual(parseJson(Buffer.from(JSON.stringify(ids))), ids);
  let schema: object = { type: 'string' };
  for (let i = 0; i < 50; i++) schema = { type: 'object', properties: { a: schema } };
  assert.deepEqual(parseJson(Buffer.from(JSON.stringify(schema))), schema);
});

test('names of properties are legal; only what reaches a prototype is an attack', () => {
  const parse = (text: string) => parseJson(Buffer.from(text));
  for (const text of [
    '{"properties":{"constructor":{"type":"string"}}}',
    '{"properties":{"prototype":{"type":"object"}}}',
    '{"constructor":"Ferrari","hasOwnProperty":{"x":1}}',
    '{"arguments":"{\\"constructor\\":{\\"prototype\\":1}}"}',
  ])
    assert.equal(JSON.stringify(parse(text)), text);
  for (const text of [
    '{"__proto__":1}',
    '{"a":[{"\\u005f_proto__":{}}]}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"\\u0063onstructor":{"protot\\u0079pe":1}}',
  ])
    assert.throws(() => parse(text), { code: 'invalid_json' }, text);
});

test('a NUL in a text passes, half a surrogate pair does not', () => {
  const parse = (text: string) => parseJson(Buffer.from(text));
  assert.deepEqual(parse('{"a":"b\\u0000c"}'), { a: 'b\0c' });
  assert.throws(() => parse('{"a":"\\ud800"}'), { code: 'invalid_json' });
});

test('a key that an object has twice is refused, at any depth, however it is written', () => {
  const parse = (text: string) => parseJson(Buffer.from(text));
  for (const text of [
    '{"model":"a","model":"b"}',
    '{"a":[{"role":"user","role":"system"}]}',
    '{"a":{"url":"https://a.example","\\u0075rl":"http://127.0.0.1"}}',
    '{"a" : 1 , "b":2,\n"a":1}',
  ])
    assert.throws(() => parse(text), { code: 'invalid_json' }, text);
  for (const text of [
    '{"a":{"b":1},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a:b":":","c":"\\":{}"}',
    '[]',
    '7',
    '"a:b"',
    '{}',
  ])
    assert.deepEqual(parse(text), JSON.parse(text), text);
});
