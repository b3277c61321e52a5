/** What every set of open runs has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenRuns } from '../ports/runs/open-runs.ts';
import { nth } from './nth.ts';
import { endOf, newRun, type RunStoreSubject } from './run-store.ts';

const TTL = { recordMs: 60_000, logMs: 60_000 };

/** Registers the tests. @param subject the set under test, of the runs in a store; asked for within each test. */
export function testOpenRuns(subject: () => RunStoreSubject & { readonly open: OpenRuns }): void {
  const idsIn = async (open: OpenRuns) => {
    const all: string[] = [];
    for (let at: string | null = null; ; ) {
      const { ids, next } = await open.some(at);
      all.push(...ids);
      if (next === null) return all.filter(id => id.startsWith('open-')).sort();
      at = next;
    }
  };

  test('what is open is found until it is final, but for lines of batches', async () => {
    const { runs, open } = subject();
    const ids = ['open-1', 'open-2', 'open-3', 'open-4', 'open-5'];
    for (const id of ids) await runs.create(newRun(id), 60_000, null, Buffer.from(`message of ${id}`));
    await runs.create(newRun('open-line', { kind: 'batch_line' }), 60_000, null);
    assert.deepEqual(await idsIn(open), ids);
    assert.equal(String(await runs.message('open-1')), 'message of open-1');
    await runs.begin('open-1', nth(1), 'w');
    assert.deepEqual(await idsIn(open), ids);
    await runs.finish('open-1', nth(1), endOf('done'), TTL);
    assert.equal(await runs.message('open-1'), null);
    await runs.cancel(newRun('open-2'), 1, TTL);
    await runs.withdraw('open-3', null);
    await runs.remove('open-4', null);
    assert.deepEqual(await idsIn(open), ['open-5']);
    assert.deepEqual([await runs.message('open-3'), await runs.message('open-4')], [null, null]);
  });

  test('one process at a time looks after them, and another once it has been silent', async () => {
    const { open, elapse } = subject();
    assert.equal(await open.claim('one', 300), true);
    assert.equal(await open.claim('two', 300), false);
    assert.equal(await open.claim('one', 300), true);
    await elapse(320);
    assert.equal(await open.claim('two', 300), true);
    assert.equal(await open.claim('one', 300), false);
  });

  test('a run whose message was lost is queued again, unless an attempt has it by now', async () => {
    const { runs } = subject();
    await runs.create(newRun('open-lost'), 60_000, null);
    assert.equal(await runs.requeue('open-lost', { attempt: 0, worker: null }), true);
    await runs.begin('open-lost', nth(3), 'w-1');
    assert.equal(await runs.requeue('open-lost', { attempt: 0, worker: null }), false);
    assert.equal(await runs.requeue('open-lost', { attempt: 3, worker: 'w-2' }), false);
    assert.equal((await runs.read('open-lost'))?.status, 'in_progress');
    assert.equal(await runs.requeue('open-lost', { attempt: 3, worker: 'w-1' }), true);
    assert.equal((await runs.read('open-lost'))?.status, 'queued');
    assert.equal(await runs.finish('open-lost', nth(3), endOf('late'), TTL), false);
    assert.equal(await runs.begin('open-lost', nth(4), 'w-2'), 'begun');
    assert.equal(await runs.finish('open-lost', nth(4), endOf('done'), TTL), true);
    assert.equal(await runs.requeue('open-lost', { attempt: 4, worker: 'w-2' }), false);
  });

  test('a run that was never recorded is told from one that was removed', async () => {
    const { runs } = subject();
    assert.equal(await runs.begin('open-never', nth(1), 'w'), 'unknown');
    await runs.create(newRun('open-removed'), 60_000, null);
    await runs.remove('open-removed', null);
    assert.equal(await runs.begin('open-removed', nth(1), 'w'), 'gone');
  });
}
