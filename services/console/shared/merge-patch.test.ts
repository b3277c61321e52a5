import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch, diff, shareUnchanged } from './merge-patch.ts';

/** The examples of RFC 7396, appendix A. */
const RFC_7396: readonly (readonly [unknown, unknown, unknown])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: 1 }, { a: 1 }, { e: 1, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test('patches are applied as RFC 7396 says', () => {
  for (const [before, patch, after] of RFC_7396) assert.deepEqual(applyPatch(before, patch), after);
});

/** A small generator of trees with few keys, so that states resemble one another. */
function randomTree(next: () => number, depth = 3): unknown {
  const kind = next() % (depth === 0 ? 2 : 4);
  if (kind === 0) return next() % 3;
  if (kind === 1) return ['x', 'y', true][next() % 3];
  const entries = Array.from({ length: next() % 4 }, () => [
    ['a', 'b', '__proto__', 'constructor'][next() % 4],
    randomTree(next, depth - 1),
  ]);
  if (kind === 2) return [entries.length, next() % 2];
  return Object.fromEntries(entries);
}

test('what is applied is what was compared, for thousands of random states, also over the wire', () => {
  let seed = 7;
  const next = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed >>> 16;
  };
  for (let i = 0; i < 5000; i++) {
    const [before, after] = [{ top: randomTree(next) }, { top: randomTree(next) }];
    const patch = diff(before, after);
    const sent = patch === undefined ? undefined : JSON.parse(JSON.stringify(patch));
    assert.deepEqual(sent === undefined ? before : applyPatch(before, sent), after);
    assert.deepEqual(shareUnchanged(before, after), after);
    assert.equal(diff(after, structuredClone(after)), undefined);
  }
});

test('what has not changed stays the same object, and nothing is said of it', () => {
  const before = { workers: { a: { running: 1, models: ['m'] }, b: { running: 2, models: ['m'] } }, at: 1 };
  const after = shareUnchanged(before, { ...structuredClone(before), at: 2 });
  assert.ok(after.workers === before.workers && after !== before);
  assert.deepEqual(diff(before, after), { at: 2 });
  const patched = applyPatch(before, { workers: { a: { running: 3 } } }) as typeof before;
  assert.ok(patched.workers.b === before.workers.b && patched.workers.a !== before.workers.a);
});
