import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mintKey, readKeyText } from './key-text.ts';

test('a key tells its kind and its record, and no two are alike', () => {
  const api = mintKey('api');
  assert.match(api.text, /^sk-[0-9a-z]{16}-[0-9A-Za-z]{43}-[0-9a-f]{8}$/);
  assert.deepEqual(readKeyText(api.text), { kind: 'api', id: api.id });
  assert.equal(api.id, `key_${api.text.slice(3, 19)}`);
  const admin = mintKey('admin');
  assert.match(admin.text, /^sk-admin-/);
  assert.deepEqual(readKeyText(admin.text), { kind: 'admin', id: admin.id });
  assert.equal(new Set(Array.from({ length: 100 }, () => mintKey('api').text)).size, 100);
});

test('every single mistake is seen without asking anybody', () => {
  const { text } = mintKey('api');
  for (let at = 3; at < text.length; at++) {
    if (text[at] === '-') continue;
    const wrong = `${text.slice(0, at)}${text[at] === '7' ? '3' : '7'}${text.slice(at + 1)}`;
    assert.equal(readKeyText(wrong), 'mistyped', `at ${at}`);
  }
  for (const other of [
    '',
    'sk-',
    'sk-penstock-abc',
    text.slice(0, -1),
    `${text}0`,
    text.toUpperCase(),
    ` ${text}`,
  ])
    assert.equal(readKeyText(other), null, other);
});
