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

test('whatever the object, setting fields changes what it means in these only', () => {
  let seed = 7;
  const rand = (most: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % most;
  };
  const text = () => Array.from({ length: rand(5) }, () => '{}[],:"\\ aü'[rand(11)]).join('');
  const value = (depth: number): unknown => {
    if (depth > 2 || rand(3) === 0) return [text(), rand(1000) / 8, true, null][rand(4)];
    if (rand(2) === 0) return Array.from({ length: rand(4) }, () => value(depth + 1));
    return object(depth + 1);
  };
  const object = (depth: number) =>
    Object.fromEntries(
      Array.from({ length: rand(5) }, () => [['model', 'a', text()][rand(3)], value(depth)]),
    );
  for (let i = 0; i < 2000; i++) {
    const json = JSON.stringify(object(0), null, rand(3));
    const fields = { model: text(), ...(rand(2) === 0 ? { a: value(1) } : {}), added: value(2) };
    const after = withFields(Buffer.from(json), fields).toString();
    const expected = { ...JSON.parse(json), ...JSON.parse(JSON.stringify(fields)) };
    assert.deepEqual(JSON.parse(after), expected, json);
  }
});
