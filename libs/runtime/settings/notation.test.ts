import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toModelSlug } from '@penstock/protocol';
import { msPerModel } from './notation.ts';

test('a time may be one for all models, or differ by model, with a default for the rest', () => {
  const cases: [text: string | undefined, ofBig: number, ofOthers: number][] = [
    [undefined, 300, 300],
    ['500', 500, 500],
    ['org/Big=900', 900, 300],
    ['org/Big = 900, *=40', 900, 40],
    ['40,org/Big=900', 900, 40],
  ];
  for (const [text, ofBig, ofOthers] of cases) {
    const ofModel = msPerModel(300).parse(text);
    assert.deepEqual([ofModel(toModelSlug('org/Big')), ofModel('other')], [ofBig, ofOthers], text);
  }
});

test('what is no time, or names no model, is refused with what to write', () => {
  for (const text of ['', 'soon', '0', '-1', '1.5', 'm=', '=5', '1e12']) {
    const { error } = msPerModel(300).safeParse(text);
    assert.match(error?.issues[0]?.message ?? '', /use milliseconds/, text);
  }
});
