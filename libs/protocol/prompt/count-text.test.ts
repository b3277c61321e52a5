import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countText } from './count-text.ts';
import { emptyProfile, type PromptProfile } from './prompt-profile.ts';

/** Kinds that occur in a text, with how much of each. */
function counted(text: string): Partial<PromptProfile> {
  const profile = emptyProfile();
  countText(text, profile);
  return Object.fromEntries(Object.entries(profile).filter(([, units]) => units > 0));
}

test('each character counts as what it is, and a space as part of the word behind it', () => {
  assert.deepEqual(counted(''), {});
  assert.deepEqual(counted('Four words, two here.'), { letters: 16, symbols: 2 });
  assert.deepEqual(counted('if (a_1 < 20) {\n'), { letters: 3, digits: 3, symbols: 6 });
  assert.deepEqual(counted('请把这段话翻译成英文。'), { cjk: 11 });
  assert.deepEqual(counted('カタカナ 한국어'), { cjk: 7 });
  assert.deepEqual(counted('Привет שלום مرحبا'), { alphabet: 15 });
  assert.deepEqual(counted('नमस्ते สวัสดี'), { abugida: 12 });
  assert.deepEqual(counted('naïve café'), { letters: 7, alphabet: 2 });
  assert.deepEqual(counted('“—” →'), { symbols: 4 });
  assert.deepEqual(counted('🚀'), { cjk: 2 });
});

test('what repeats a character counts apart, and so does indentation', () => {
  assert.deepEqual(counted('a'.repeat(100)), { letters: 3, repeated: 97 });
  assert.deepEqual(counted('#'.repeat(100)), { symbols: 3, repeated: 97 });
  assert.deepEqual(counted('\n        x'), { symbols: 1, letters: 1, repeated: 7 });
  assert.deepEqual(counted('中'.repeat(10)), { cjk: 3, repeated: 7 });
});

test('base64, hex and UUIDs are dense; long names, paths and words are not', () => {
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * i * 37 + i * 11 + 5) % 251));
  for (const encoding of ['base64', 'base64url', 'hex'] as const) {
    const text = bytes.toString(encoding);
    assert.deepEqual(counted(`key ${text}`), { letters: 3, dense: text.length }, encoding);
  }
  assert.deepEqual(counted('1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed'), { dense: 36 });
  for (const text of [
    'AbstractSingletonProxyFactoryBean',
    'some_very_long_function_name_in_snake_case',
    'Donaudampfschifffahrtselektrizitaeten',
    '/usr/share/doc/libraries/readme/index',
    '=========================================',
  ])
    assert.equal(counted(text).dense, undefined, text);
});

test('a long text is sampled all over, and counts in full', () => {
  const half = 'The half of it is prose, in plain words. '.repeat(2000);
  const text = half + '这是中文的一半，'.repeat(10_000);
  const { letters = 0, cjk = 0, symbols = 0 } = counted(text);
  const prose = counted(half.slice(0, 41)).letters ?? 0;
  assert.ok(Math.abs(letters / (prose * 2000) - 1) < 0.1, `${letters}`);
  assert.ok(Math.abs(cjk / 80_000 - 1) < 0.1, `${cjk}`);
  assert.ok(symbols > 0);
});

test('texts add up', () => {
  const profile = emptyProfile();
  countText('abc', profile);
  countText('de 1', profile);
  assert.deepEqual(profile, { ...emptyProfile(), letters: 5, digits: 1 });
});
