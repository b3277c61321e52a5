import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutMedia } from './without-media.ts';

const image = (bytes: number) => ({
  type: 'image_url',
  image_url: { url: `data:image/jpeg;base64,${'A'.repeat(bytes)}` },
});

test('for comparing prompts media are short, and different ones differ', () => {
  const one = withoutMedia([image(50_000)]);
  assert.ok(one.length < 200);
  assert.equal(one, withoutMedia([image(50_000)]));
  assert.notEqual(one, withoutMedia([image(50_001)]));
  assert.notEqual(withoutMedia([{ data: 'a' }]), withoutMedia([{ data: 'b' }]));
  assert.equal(withoutMedia('text'), '"text"');
});
