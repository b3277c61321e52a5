/** What every audit log has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuditEntry, verifyChain } from '@penstock/protocol';
import type { AuditLog } from '../ports/audit-log.ts';

function entry(n: number): AuditEntry {
  return { at: 1_000_000 + n, who: 'k', action: 'a.b', targets: [`t-${n}`], reason: 'why "so"' };
}

/** @param subject an empty one, and another process's view of it. */
export function testAuditLog(subject: () => Promise<readonly [AuditLog, AuditLog]>): void {
  test('entries of several processes are one chain, listed newest first', async () => {
    const logs = await subject();
    const [one] = logs;
    assert.deepEqual([await one.list(5), (await one.chain()).lines], [[], []]);
    const added = Array.from({ length: 40 }, (_, i) => logs[i % 2]?.add(entry(i)));
    await Promise.all(added);
    const { lines, start, end } = await one.chain();
    assert.deepEqual(verifyChain(lines, start, end), { lines: 40, end, flaws: [] });
    assert.equal(end.seq, 40);
    await one.add(entry(50));
    const [newest, ...others] = await logs[1].list(3);
    assert.deepEqual([newest, others.length], [entry(50), 2]);
  });

  test('those that are wanted are found by number, newest first, however far apart', async () => {
    const [log] = await subject();
    assert.deepEqual(await log.search({ before: null, most: 3, isWanted: () => true }), []);
    for (let n = 1; n <= 1234; n++) await log.add({ ...entry(n), who: n % 400 === 1 ? 'rare' : 'usual' });
    const isWanted = ({ who }: AuditEntry) => who === 'rare';
    const numbersOf = async (before: number | null, most: number) =>
      (await log.search({ before, most, isWanted })).map(({ seq, entry: { at } }) => [seq, at - 1_000_000]);
    assert.deepEqual(await numbersOf(null, 2), [
      [1201, 1201],
      [801, 801],
    ]);
    assert.deepEqual(await numbersOf(801, 5), [
      [401, 401],
      [1, 1],
    ]);
    assert.deepEqual(await numbersOf(1, 5), []);
    assert.deepEqual((await numbersOf(9999, 1)).length, 1, 'a number that is not there yet');
  });
}
