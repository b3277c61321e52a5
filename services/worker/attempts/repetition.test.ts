import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contradiction, Repetition } from './repetition.ts';

const SHOWN = 'One two';
const newIn = (shown: string, pieces: readonly string[]) => {
  const repetition = new Repetition(shown);
  let text = '';
  for (const piece of pieces) {
    const verdict = repetition.take(piece);
    if (verdict.kind !== 'hold') text += verdict.kind === 'rest' ? verdict.text : piece;
  }
  repetition.end();
  return text;
};

test('an answer that begins again is shown from where the client is, cut at every character', () => {
  const whole = `${SHOWN} three`;
  for (let at = 0; at <= whole.length; at++)
    assert.equal(newIn(SHOWN, [whole.slice(0, at), whole.slice(at)]), ' three', `${at}`);
  assert.equal(newIn(SHOWN, [...whole]), ' three');
  assert.equal(newIn(SHOWN, [SHOWN]), '');
});

test('an answer that nothing was shown of is new from its first word', () => {
  assert.equal(newIn('', ['One', ' two']), SHOWN);
  assert.equal(newIn('', []), '');
});

test('one word that is another, or an earlier end, contradicts what the client has', () => {
  for (const said of ['One too many', 'Two', 'One tw', 'O', ''])
    for (const pieces of [[said], [...said]]) assert.throws(() => newIn(SHOWN, pieces), Contradiction, said);
});
