import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../random.fixture.ts';
import { CustomInput } from './custom-input.ts';

function read(pieces: readonly string[]) {
  const custom = new CustomInput();
  const deltas = pieces.map(piece => custom.push(piece));
  const { input, rest } = custom.end();
  assert.equal(deltas.join('') + rest, input, 'the deltas are the text');
  return { input, deltas };
}

const PATCH = '*** Begin Patch\n+"a\\b"\t— 👩‍🚀 \u0001\n';

test('the text is told whole, cut at every character of its JSON', () => {
  const escaped = JSON.stringify({ input: PATCH });
  const ascii = escaped.replaceAll(
    /[^ -~]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  for (const json of [escaped, ascii, ` {\n "input" : ${JSON.stringify(PATCH)} } `])
    for (let at = 0; at <= json.length; at++) {
      const { input, deltas } = read([json.slice(0, at), json.slice(at)]);
      assert.equal(input, PATCH, `${at}`);
      if (ascii === json)
        assert.ok(
          deltas.every(delta => delta.isWellFormed()),
          'no half of a character',
        );
    }
});

test('any text, in any pieces', () => {
  const rand = seeded(11);
  const alphabet = ['a', '"', '\\', '\n', '{', '}', 'é', '👩', '\u0000', ' ', 'n', 'u'];
  for (let i = 0; i < 3000; i++) {
    const text = Array.from(
      { length: rand() * 20 },
      () => alphabet[Math.floor(rand() * alphabet.length)],
    ).join('');
    const json = JSON.stringify({ input: text });
    const pieces: string[] = [];
    for (let at = 0; at < json.length; ) {
      const end = at + 1 + Math.floor(rand() * 6);
      pieces.push(json.slice(at, end));
      at = end;
    }
    assert.equal(read(pieces).input, text, json);
  }
});

test('what a model writes otherwise is still the text', () => {
  for (const [json, input] of [
    ['{"patch":"x"}', 'x'],
    ['{"n":1,"input":"x"}', 'x'],
    ['"x"', 'x'],
    ['*** Begin Patch', '*** Begin Patch'],
    ['', ''],
    ['{"input":"cut sh', 'cut sh'],
    ['{"input":"half an escape\\', 'half an escape'],
    ['{"input":"line\nbreak"}', 'line\nbreak'],
    ['{"a":1}', '{"a":1}'],
  ] as const)
    assert.equal(read([json]).input, input, json);
});
