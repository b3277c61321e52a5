import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHAIN_START, type ChainEnd, chainLine, verifyChain } from './chain.ts';
import type { AuditEntry } from './entry.ts';

function entry(n: number): AuditEntry {
  return { at: 1000 + n, who: 'key_1', action: 'worker.drain', targets: [`w-${n}`], reason: 'kernel' };
}

function chain(count: number): { lines: string[]; ends: ChainEnd[] } {
  const ends: ChainEnd[] = [CHAIN_START];
  const lines = Array.from({ length: count }, (_, i) => {
    const made = chainLine(ends[i] ?? assert.fail(), entry(i + 1));
    ends.push(made.end);
    return made.line;
  });
  return { lines, ends };
}

const { lines, ends } = chain(6);
const END = ends[6] ?? assert.fail();

/** What is found in lines that should be the whole chain. */
function found(of: readonly string[], start: ChainEnd | null = CHAIN_START, end: ChainEnd | null = END) {
  return verifyChain(of, start, end).flaws.map(({ line, what }) => `${line}: ${what}`);
}

const without = (...at: number[]) => lines.filter((_, i) => !at.includes(i + 1));

test('a chain is whole, from its start or from where older entries were given up', () => {
  assert.deepEqual(verifyChain(lines, CHAIN_START, END), { lines: 6, end: END, flaws: [] });
  assert.deepEqual(found(lines.slice(2), ends[2]), []);
  assert.deepEqual(found(lines.slice(2), null, null), [], 'a part, as it was exported');
  assert.deepEqual(found(lines, CHAIN_START, ends[3]), [], 'it went on since the end was noted');
  assert.deepEqual(found([], CHAIN_START, CHAIN_START), []);
  assert.deepEqual(found([], END, END), [], 'everything is too old');
});

test('whoever wrote the fields in another order changed nothing', () => {
  const turned = lines.map(line =>
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line)).reverse())),
  );
  assert.deepEqual(found(turned), []);
});

test('each way to tamper with it is found, and said where', () => {
  const third = lines[2] ?? '';
  const changed = lines.with(2, third.replace('w-3', 'w-9'));
  assert.deepEqual(found(changed), ['3: entry 3 was changed']);
  assert.deepEqual(found(lines.with(2, third.replace('"at":1003', '"at":1003,"ip":"10.0.0.1"'))), [
    '3: entry 3 was changed',
  ]);
  // With a hash that fits, what comes behind does not.
  const forged = chainLine(ends[2] ?? assert.fail(), { ...entry(3), who: 'key_2' }).line;
  assert.deepEqual(found(lines.with(2, forged)), ['4: what was before entry 4 was replaced']);
  assert.deepEqual(found(without(3)), ['3: entries 3 to 3 are missing before entry 4']);
  assert.deepEqual(found(without(2, 3)), ['2: entries 2 to 3 are missing before entry 4']);
  assert.deepEqual(found(without(1)), ['1: entries 1 to 1 are missing before entry 2']);
  assert.deepEqual(found([...lines.slice(0, 2), lines[3] ?? '', third, ...lines.slice(4)]), [
    '3: entries 3 to 3 are missing before entry 4',
    '4: entry 3 is behind entry 4: moved, or there twice',
  ]);
  assert.deepEqual(found(without(5, 6)), ['5: cut off: entries after 4 are missing, up to 6']);
  assert.deepEqual(found([]), ['1: cut off: entries after 0 are missing, up to 6']);
  assert.deepEqual(found(lines.with(2, '{"seq":')), [
    '3: it cannot be read',
    '4: entries 3 to 3 are missing before entry 4',
  ]);
  assert.equal(found(chain(6).lines.with(5, chainLine(ends[5] ?? assert.fail(), entry(9)).line)).length, 1);
});

test('a whole other log does not end where the true one is known to have ended', () => {
  let end = CHAIN_START;
  const other = Array.from({ length: 8 }, () => {
    const made = chainLine(end, entry(77));
    end = made.end;
    return made.line;
  });
  assert.deepEqual(found(other), ['6: entry 6 is not the one that was written']);
});
