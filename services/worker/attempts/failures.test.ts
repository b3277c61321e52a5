import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutQuotes } from './failures.ts';

const PROMPT = 'My password is "Tr0ub4dor&3",\nand my dog is called Müsli 🐶. Write a poem about that.';
const asked = (prompt: string) => ({ model: 'org/m', messages: [{ role: 'user', content: prompt }] });

test('what an engine quotes of a prompt is left out, wherever and however it is written', () => {
  const ascii = JSON.stringify(asked(PROMPT)).replace(
    /[^ -~]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  for (const body of [JSON.stringify(asked(PROMPT)), ascii])
    for (const quote of [PROMPT, PROMPT.slice(5, 50), PROMPT.slice(40)]) {
      const told = withoutQuotes(`cannot handle '${quote}' at position 3`, Buffer.from(body));
      assert.equal(told, "cannot handle '…' at position 3");
    }
});

test('an engine’s own words stay, up to a limit', () => {
  const body = Buffer.from(JSON.stringify(asked('Is CUDA out of memory?')));
  const words = 'CUDA out of memory. Tried to allocate 2.00 GiB on "cuda:0"\\n';
  assert.equal(withoutQuotes(words, body), words);
  assert.equal(withoutQuotes('x y '.repeat(1000), body).length, 500);
  assert.equal(withoutQuotes('', Buffer.from('no json')), '');
});
