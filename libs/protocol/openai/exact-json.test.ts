import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOfField, exactJson, withFields } from './exact-json.ts';

test('numbers that are too long for a double are written again as they were', () => {
  for (const text of [
    '{"max":9223372036854775807,"list":[-9223372036854775808,1.5]}',
    '{"a":{"b":18446744073709551615,"c":"12345678901234567890"}}',
    '{"a":0.12345678901234567890123}',
    '{"plain":1}',
  ])
    assert.equal(JSON.stringify(exactJson(Buffer.from(text), JSON.parse(text))), text);
});

test('the bytes of a field are found among all others', () => {
  const find = (json: string, name = 'body') =>
    bytesOfField(Buffer.from(json), name)?.toString().trim() ?? null;
  assert.equal(find('{"body":{"n":9223372036854775807}}'), '{"n":9223372036854775807}');
  assert.equal(
    find(' {"a":"x\\"body\\":1","b":[{"body":2},"}"], "body" : {"c":"}\\\\"} , "d":1}'),
    '{"c":"}\\\\"}',
  );
  assert.equal(find('{"body":1,"b\\u006fdy":{"x":[1,{}]}}'), '{"x":[1,{}]}');
  assert.equal(find('{"other":{"body":1}}'), null);
  assert.equal(find('{}'), null);
});

test('fields are set in the bytes, and all other bytes stay', () => {
  const set = (json: string, fields: object) =>
    withFields(Buffer.from(json), fields as Record<string, unknown>).toString();
  assert.equal(
    set('{"model":"a","n":18446744073709551615}', { model: 'b' }),
    '{"model":"b","n":18446744073709551615}',
  );
  assert.equal(
    set(' { "x" : {"model":"a","y":[1,{}]} ,\n "mo\\u0064el" : "a" , "t":1.50 } \n', {
      model: 'b"ü',
      top_k: 20,
    }),
    ' { "x" : {"model":"a","y":[1,{}]} ,\n "mo\\u0064el" :"b\\"ü", "t":1.50 ,"top_k":20} \n',
  );
  assert.equal(set('{}', { a: 1, b: [2] }), '{"a":1,"b":[2]}');
  assert.equal(set('{"a":"}","a":1}', { a: 2 }), '{"a":2,"a":2}', 'whichever of them an engine reads');
});
