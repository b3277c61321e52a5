import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAliases, parseDefaults, parseFallbacks } from './models.ts';

test('aliases and fallbacks are read in both notations', () => {
  const aliases = [
    ['gpt-4o', 'org/Llama-3.3-70B'],
    ['small', 'llama'],
  ];
  assert.deepEqual([...parseAliases(' gpt-4o=org/Llama-3.3-70B , small = llama,')], aliases);
  assert.deepEqual([...parseAliases('{"gpt-4o":"org/Llama-3.3-70B","small":"llama"}')], aliases);
  assert.deepEqual(
    [...parseFallbacks('a=b>c,d=e')],
    [
      ['a', ['b', 'c']],
      ['d', ['e']],
    ],
  );
  assert.deepEqual([...parseFallbacks('{"a":["b","c"]}')], [['a', ['b', 'c']]]);
  for (const parse of [parseAliases, parseFallbacks, parseDefaults]) assert.equal(parse('').size, 0);
});

test('defaults are fields of a request, as JSON, and each mistake is named', () => {
  const text =
    '{"llama":{"temperature":0.6,"chat_template_kwargs":{"enable_thinking":false}},"*":{"top_k":20}}';
  assert.deepEqual(Object.fromEntries(parseDefaults(text)), JSON.parse(text));
  const mistakes: [read: () => unknown, told: RegExp][] = [
    [() => parseDefaults('{"a":'), /not valid JSON/],
    [() => parseDefaults('a=1'), /not valid JSON; use/],
    [() => parseDefaults('{"a":7}'), /the defaults of a must be an object/],
    [() => parseDefaults('{"a":{"stream":true}}'), /stream cannot have a default/],
    [() => parseDefaults('{"a":{"temperature":"hot"}}'), /temperature/],
    [() => parseAliases('gpt-4o'), /use alias=model/],
    [() => parseAliases('a=b,a=c'), /a is there twice/],
    [() => parseAliases('a=b,b=c'), /a must name a model; b is an alias too/],
    [() => parseAliases('a=a'), /a is an alias too/],
    [() => parseAliases('a='), /1 to 256 characters/],
    [() => parseAliases('{"a":["b"]}'), /the name of one model/],
    [() => parseAliases('[]'), /use alias=model/],
    [() => parseFallbacks('a=b>>c'), /1 to 256 characters/],
    [() => parseFallbacks('a=a'), /cannot stand in for itself/],
    [() => parseFallbacks('{"a":[]}'), /needs a list/],
  ];
  for (const [read, told] of mistakes) assert.throws(read, told);
});
