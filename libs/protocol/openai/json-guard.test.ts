import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guardJson } from './json-guard.ts';

const limits = { maxDepth: 3, maxParts: 4 };
const guard = (text: string) => guardJson(Buffer.from(text), limits);

test('depth counts outside strings only', () => {
  guard('{"a":[["[[[[{{{{"]]}');
  assert.throws(() => guard('[[[[1]]]]'), { code: 'json_too_complex' });
});

test('an escaped quote does not end a string', () => {
  guard('{"a":"\\"[[[[[,,,,,,"}');
  guard('{"a":"\\\\","b":1}');
});

test('keys and elements are bounded together', () => {
  guard('[1,2,3,4,5]');
  assert.throws(() => guard('[1,2,3,4,5,6]'), { code: 'json_too_complex' });
});
