import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Peppers } from './peppers.ts';

const OLD = 'a'.repeat(32);
const NEW = 'b'.repeat(32);

test('keys that were made under an older pepper are known as long as that is there', () => {
  const before = new Peppers([OLD]).mark('sk-1');
  assert.ok(before);
  assert.match(before.hmac, /^[0-9a-f]{64}$/);
  const both = new Peppers([NEW, OLD]);
  assert.equal(both.matches('sk-1', before), true);
  assert.equal(both.matches('sk-2', before), false);
  assert.notEqual(both.mark('sk-1')?.pepper, before.pepper);
  assert.equal(new Peppers([NEW]).matches('sk-1', before), null);
  assert.equal(both.matches('sk-1', { ...before, hmac: '' }), false);
});

test('without a pepper no key is made', () => {
  assert.equal(new Peppers([]).mark('sk-1'), null);
});
