/** What every run store has to keep of how much work there may be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewRun } from '@penstock/protocol';
import type { RunCreateOutcome } from '../../ports/runs/idempotency.ts';
import type { BacklogLimits, RunStore } from '../../ports/runs/run-store.ts';
import { newRun, type RunStoreSubject } from '../run-store.ts';

const TTL = { recordMs: 5000, logMs: 5000 };
const LONG_MS = 60_000;
const EACH = { messages: 2, bytes: 100 };

function createIn(
  runs: RunStore,
  id: string,
  change: Partial<NewRun>,
  bytes: number,
  limits: BacklogLimits,
): Promise<RunCreateOutcome> {
  const run = newRun(id, { createdAt: 1, deadlineAt: LONG_MS, ...change });
  return runs.create(run, LONG_MS, null, Buffer.alloc(bytes, 'x'), limits);
}

/** @param subject the store under test; asked for within each test. */
export function testBacklog(subject: () => RunStoreSubject): void {
  testShares(subject);
  testOwnLimits(subject);
}

function testShares(subject: () => RunStoreSubject): void {
  test('a tenant has no more open runs, and bytes of them, than it may, until one is final', async () => {
    const { runs } = subject();
    const of = { tenant: 'crowd', slug: 'crowded' };
    const add = (id: string, bytes: number) => createIn(runs, id, of, bytes, { tenant: EACH });
    assert.equal((await add('crowd-1', 60)).kind, 'created');
    assert.deepEqual(await add('crowd-2', 41), { kind: 'full', of: 'tenant' });
    assert.equal((await add('crowd-2', 40)).kind, 'created');
    assert.deepEqual(await add('crowd-3', 0), { kind: 'full', of: 'tenant' });
    assert.deepEqual(await add('crowd-2', 40), { kind: 'repeated', id: 'crowd-2' });
    assert.equal(
      (await createIn(runs, 'stranger-1', { ...of, tenant: 'stranger' }, 90, { tenant: EACH })).kind,
      'created',
    );
    await runs.cancel({ id: 'crowd-1', ...of }, 1, TTL);
    assert.equal((await add('crowd-3', 60)).kind, 'created');
    assert.equal(await runs.withdraw('crowd-3', null), true);
    assert.equal((await add('crowd-4', 60)).kind, 'created');
    for (const id of ['crowd-2', 'crowd-4', 'stranger-1'])
      await runs.cancel({ id, tenant: id === 'stranger-1' ? 'stranger' : 'crowd' }, 1, TTL);
    assert.equal((await add('crowd-5', 100)).kind, 'created');
  });

  test('work for one model is bounded for all tenants together', async () => {
    const { runs } = subject();
    const limits = { tenant: { messages: 9, bytes: 999 }, model: EACH };
    const add = (id: string, tenant: string) => createIn(runs, id, { tenant, slug: 'unserved' }, 10, limits);
    assert.equal((await add('unserved-1', 'u1')).kind, 'created');
    assert.equal((await add('unserved-2', 'u2')).kind, 'created');
    assert.deepEqual(await add('unserved-3', 'u3'), { kind: 'full', of: 'model' });
  });
}

function testOwnLimits(subject: () => RunStoreSubject): void {
  test('a project has no more open runs, and bytes of them, than its limits allow, however many ask at once', async () => {
    const { runs } = subject();
    const of = { tenant: 'limited', slug: 'limited' };
    const shares = { tenant: { messages: 9, bytes: 999 } };
    const add = (id: string, bytes: number, project: Partial<typeof EACH> = { messages: 3, bytes: 100 }) =>
      createIn(runs, id, of, bytes, { ...shares, project });
    const all = await Promise.all([1, 2, 3, 4, 5].map(n => add(`limited-${n}`, 30)));
    assert.equal(all.filter(({ kind }) => kind === 'created').length, 3);
    const full = { kind: 'full', of: 'project', before: { messages: 3, bytes: 90 } };
    assert.deepEqual(await add('limited-6', 1), full);
    assert.deepEqual(await add('limited-6', 1, {}), {
      kind: 'created',
      id: 'limited-6',
      before: full.before,
    });
    await runs.cancel({ id: 'limited-6', ...of }, 1, TTL);
    await runs.cancel({ id: all[0]?.kind === 'created' ? 'limited-1' : 'limited-5', ...of }, 1, TTL);
    const left = { messages: 2, bytes: 60 };
    assert.deepEqual(await add('limited-7', 41), { kind: 'full', of: 'project', before: left });
    assert.deepEqual(await add('limited-7', 40), { kind: 'created', id: 'limited-7', before: left });
  });
}
