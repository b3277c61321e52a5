import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contradiction, Repetition } from './repetition.ts';

const SHOWN = 'The quick brown fox ';
const said = (shown: string, pieces: readonly string[]) => {
  const repetition = new Repetition(shown);
  let held = '';
  let all = '';
  for (const piece of pieces) {
    const verdict = repetition.take(piece);
    if (verdict.kind === 'hold') held += piece;
    else {
      all += verdict.kind === 'rest' ? verdict.text : held + piece;
      held = '';
    }
  }
  repetition.end();
  return all + held;
};

test('an answer that begins again is shown from where the client is, cut at every character', () => {
  const whole = `${SHOWN}jumps`;
  for (let at = 0; at <= whole.length; at++)
    assert.equal(said(SHOWN, [whole.slice(0, at), whole.slice(at)]), 'jumps', `${at}`);
  assert.equal(said(SHOWN, [...whole]), 'jumps');
});

test('an answer that goes on is shown whole, also where it begins with the same words', () => {
  for (const rest of ['jumps', 'The end', 'T', ''])
    for (const pieces of [[rest], [...rest]]) assert.equal(said(SHOWN, pieces), rest);
  assert.equal(said('', ['anything']), 'anything');
});

test('an answer that begins again and changes its mind contradicts what the client has', () => {
  assert.throws(() => said(SHOWN, ['The quick brown cat']), Contradiction);
  assert.throws(() => said(SHOWN, ['The quick brown f']), Contradiction);
});
