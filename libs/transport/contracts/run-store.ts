/** What every run store has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NewRun, type RunResult, type StoredRun, sharedAddress } from '@penstock/protocol';
import type { RunEnd, RunStore } from '../ports/runs/run-store.ts';
import { nth } from './nth.ts';

export interface RunStoreSubject {
  readonly runs: RunStore;
  /** Lets time pass for the store. */
  elapse(ms: number): Promise<void>;
}

const TTL = { recordMs: 5000, logMs: 5000 };
const LONG_MS = 60_000;
const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;

export function newRun(id: string, change: Partial<NewRun> = {}): NewRun {
  return {
    ...({ id, kind: 'job', detail: '', tenant: 't', endpoint: 'chat', model: 'm', slug: 'm' } as const),
    address: sharedAddress(KEY, id),
    ...{ createdAt: 1, deadlineAt: 2, log: 'none' },
    ...change,
  };
}

export function resultOf(text: string, change: Partial<RunResult> = {}): RunResult {
  const about = { status: 200, contentType: 'application/json', finishedAt: 1 };
  return { ...about, body: Buffer.from(text), ...change };
}

export function endOf(text: string): RunEnd {
  return { status: 'completed', result: resultOf(text), log: 'none', last: null };
}

/** Registers the tests. @param subject the store under test; asked for within each test. */
export function testRunStore(subject: () => RunStoreSubject): void {
  testCreating(subject);
  testAttempts(subject);
  testForgottenCounts(subject);
  testPuttingBack(subject);
  testEndings(subject);
  testMoving(subject);
  testKeeping(subject);
  testCompletionList(subject);
}

function testCreating(subject: () => RunStoreSubject): void {
  test('a record that is there already stays as it is', async () => {
    const { runs } = subject();
    assert.deepEqual(await runs.create(newRun('a'), LONG_MS, null), { kind: 'created', id: 'a' });
    await runs.begin('a', nth(1), 'w');
    assert.deepEqual(await runs.create(newRun('a'), LONG_MS, null), { kind: 'repeated', id: 'a' });
    assert.equal((await runs.read('a'))?.status, 'in_progress');
  });

  test('a record is read as it was created', async () => {
    const { runs } = subject();
    const run = newRun('read', { detail: '{"ä":1}', endpoint: 'embeddings', log: 'deltas' });
    await runs.create(run, LONG_MS, null);
    const state = { status: 'queued', worker: null, attempt: 0, logLength: 0, result: null };
    assert.deepEqual(await runs.read('read'), { ...run, ...state });
    assert.equal(await runs.read('unknown'), null);
  });

  test('only what nobody has begun is withdrawn, and the key with it', async () => {
    const { runs } = subject();
    const key = { key: 'penstock:idem:t:k', digest: 'd' };
    await runs.create(newRun('b'), LONG_MS, key);
    assert.equal(await runs.withdraw('b', key.key), true);
    assert.equal(await runs.read('b'), null);
    assert.equal(await runs.begin('b', nth(1), 'w'), 'gone', 'its message, should it still come');
    assert.equal((await runs.create(newRun('c'), LONG_MS, key)).kind, 'created');
    await runs.begin('c', nth(1), 'w');
    assert.equal(await runs.withdraw('c', key.key), false);
    assert.deepEqual(await runs.create(newRun('d'), LONG_MS, key), { kind: 'repeated', id: 'c' });
    assert.equal(await runs.read('d'), null);
    assert.equal(await runs.withdraw('d', key.key), true);
    assert.deepEqual(
      await runs.create(newRun('d'), LONG_MS, key),
      { kind: 'repeated', id: 'c' },
      'its own key',
    );
    const other = { ...key, digest: 'other' };
    assert.deepEqual(await runs.create(newRun('d'), LONG_MS, other), { kind: 'reused' });
    await runs.remove('c', key.key);
    assert.equal((await runs.create(newRun('d'), LONG_MS, other)).kind, 'created');
  });

  test('what a repeated key was answered with is not withdrawn by whoever made it', async () => {
    const { runs } = subject();
    const key = { key: 'penstock:idem:t:told', digest: 'd' };
    await runs.create(newRun('told'), LONG_MS, key);
    assert.deepEqual(await runs.create(newRun('told'), LONG_MS, key), { kind: 'repeated', id: 'told' });
    assert.deepEqual(await runs.create(newRun('second'), LONG_MS, key), { kind: 'repeated', id: 'told' });
    assert.equal(await runs.withdraw('told', key.key), false);
    assert.equal((await runs.read('told'))?.status, 'queued');
    await runs.create(newRun('resent'), LONG_MS, { ...key, key: 'penstock:idem:t:resent' });
    await runs.create(newRun('resent'), LONG_MS, { ...key, key: 'penstock:idem:t:resent' });
    assert.equal(
      await runs.withdraw('resent', 'penstock:idem:t:resent'),
      true,
      'its own command, sent again',
    );
  });
}

function testAttempts(subject: () => RunStoreSubject): void {
  test('an attempt fences all earlier ones', async () => {
    const { runs } = subject();
    await runs.create(newRun('fence'), LONG_MS, null);
    assert.equal(await runs.begin('fence', nth(2), 'w-2'), 'begun');
    assert.equal(await runs.begin('fence', nth(2, 3), 'w-3'), 'fenced');
    assert.equal(await runs.begin('fence', nth(1), 'w-1'), 'fenced');
    assert.equal(await runs.finish('fence', nth(1), endOf('old'), TTL), false);
    assert.equal(await runs.fail('fence', nth(1), { ...endOf('old'), lastWords: '' }, 1, TTL), 'fenced');
    assert.equal(await runs.finish('fence', nth(2), endOf('new'), TTL), true);
    const run = await runs.read('fence');
    assert.deepEqual([run?.status, run?.worker, run?.attempt], ['completed', 'w-2', 2]);
    assert.deepEqual(run?.result, resultOf('new'));
    assert.equal(await runs.begin('fence', nth(3), 'w'), 'gone');
    assert.equal(await runs.finish('fence', nth(2), endOf('twice'), TTL), true, 'it has finished it already');
    assert.deepEqual((await runs.read('fence'))?.result, resultOf('new'));
    assert.equal(await runs.finish('fence', nth(2, 77), endOf('other'), TTL), false);
  });

  test('a failed attempt is followed by another until it has failed too often', async () => {
    const { runs } = subject();
    await runs.create(newRun('g'), LONG_MS, null);
    await runs.begin('g', nth(1), 'w');
    const result = resultOf('oops', { status: 502 });
    const error = { result, log: 'none', lastWords: 'out of memory' } as const;
    assert.equal(await runs.fail('g', nth(1), error, 2, TTL), 'again');
    const failed = await runs.read('g');
    assert.deepEqual([failed?.status, failed?.lastWords], ['queued', 'out of memory']);
    await runs.begin('g', nth(2), 'w');
    assert.equal(await runs.fail('g', nth(2), error, 2, TTL), 'final');
    assert.deepEqual(await runs.progress(['g', 'unknown']), [{ status: 'failed', code: 502 }, null]);
    assert.equal(await runs.reopen('g', 99, LONG_MS), true);
    const again = await runs.read('g');
    assert.deepEqual(
      [again?.status, again?.deadlineAt, again?.result, again?.lastWords],
      ['queued', 99, null, undefined],
    );
    assert.equal(again?.attempt, 2, 'its attempts go on counting');
    assert.equal(await runs.begin('g', nth(3), 'w'), 'begun');
    assert.equal(await runs.reopen('g', 100, LONG_MS), false);
    assert.equal(await runs.fail('g', nth(3), error, 2, TTL), 'again', 'its failures do not');
  });
}

function testForgottenCounts(subject: () => RunStoreSubject): void {
  const failure = { ...endOf('oops'), lastWords: '' };

  test('of two attempts of one number the one that began has the run', async () => {
    const { runs } = subject();
    await runs.create(newRun('twin'), LONG_MS, null);
    const [one, other] = [nth(1, 11), nth(1, 12)];
    assert.equal(await runs.begin('twin', one, 'w-1'), 'begun');
    assert.equal(await runs.begin('twin', other, 'w-2'), 'fenced');
    assert.equal(await runs.begin('twin', one, 'w-1'), 'begun', 'a command that was sent twice');
    assert.equal(await runs.finish('twin', other, endOf('other'), TTL), false);
    assert.equal(await runs.fail('twin', other, failure, 1, TTL), 'fenced');
    assert.equal(await runs.putBack('twin', other, ''), false);
    assert.equal(await runs.finish('twin', one, endOf('one'), TTL), true);
    const run = await runs.read('twin');
    assert.deepEqual([run?.worker, run?.result?.body.toString()], ['w-1', 'one']);
  });

  test('an attempt at a record that was removed and made anew has nothing of the new one', async () => {
    const { runs } = subject();
    for (const nonce of [21, 22]) {
      await runs.remove('anew', null);
      await runs.create(newRun('anew'), LONG_MS, null);
      assert.equal(await runs.begin('anew', nth(1, nonce), 'w'), 'begun');
    }
    assert.equal(await runs.finish('anew', nth(1, 21), endOf('old'), TTL), false);
    assert.equal(await runs.finish('anew', nth(1, 22), endOf('new'), TTL), true);
  });

  test('a queued run is begun under any number, since the queue may count its deliveries anew', async () => {
    const { runs } = subject();
    await runs.create(newRun('count'), LONG_MS, null);
    await runs.begin('count', nth(2, 31), 'w-1');
    assert.equal(await runs.fail('count', nth(2, 31), failure, 3, TTL), 'again');
    assert.equal(await runs.begin('count', nth(1, 32), 'w-2'), 'begun');
    assert.equal(await runs.begin('count', nth(1, 33), 'w-3'), 'fenced', 'it is queued no more');
    assert.equal(await runs.fail('count', nth(2, 31), failure, 3, TTL), 'fenced');
    assert.equal(await runs.putBack('count', nth(1, 32), ''), true);
    assert.equal(await runs.begin('count', nth(1, 34), 'w-4'), 'begun');
    assert.equal(await runs.begin('count', nth(2, 35), 'w-5'), 'begun', 'a higher number supersedes');
    assert.equal(await runs.finish('count', nth(1, 34), endOf('old'), TTL), false);
    assert.equal(await runs.finish('count', nth(2, 35), endOf('new'), TTL), true);
  });
}

function testPuttingBack(subject: () => RunStoreSubject): void {
  test('a run that is put back is queued, says why, and has not failed', async () => {
    const { runs } = subject();
    await runs.create(newRun('full'), LONG_MS, null);
    for (const attempt of [1, 2, 3]) {
      await runs.begin('full', nth(attempt), 'w');
      assert.equal(await runs.putBack('full', nth(attempt), `full ${attempt}`), true);
    }
    const run = await runs.read('full');
    assert.deepEqual([run?.status, run?.attempt, run?.lastWords], ['queued', 3, 'full 3']);
    assert.equal(await runs.putBack('full', nth(2), 'old'), false, 'a later attempt has begun');
    await runs.begin('full', nth(4), 'w');
    const error = { result: resultOf('oops', { status: 502 }), log: 'none', lastWords: 'oops' } as const;
    assert.equal(await runs.fail('full', nth(4), error, 2, TTL), 'again', 'it is the first failure');
    await runs.cancel(newRun('full'), 5, TTL);
    assert.equal(await runs.putBack('full', nth(4), 'late'), false);
    assert.equal((await runs.read('full'))?.lastWords, 'oops');
  });
}

function testEndings(subject: () => RunStoreSubject): void {
  test('only the tenant cancels, and only what is not final', async () => {
    const { runs } = subject();
    await runs.create(newRun('h'), LONG_MS, null);
    assert.equal(await runs.cancel(newRun('h', { tenant: 'stranger' }), 5, TTL), false);
    assert.equal(await runs.cancel(newRun('unknown'), 5, TTL), false);
    assert.equal(await runs.cancel(newRun('h'), 5, TTL), true);
    assert.equal(await runs.begin('h', nth(1), 'w'), 'gone');
    await runs.create(newRun('i'), LONG_MS, null);
    await runs.begin('i', nth(1), 'w');
    await runs.finish('i', nth(1), endOf('{}'), TTL);
    assert.equal(await runs.cancel(newRun('i'), 5, TTL), true);
    assert.deepEqual(
      (await runs.progress(['h', 'i'])).map(each => each?.status),
      ['cancelled', 'completed'],
    );
  });

  test('a run in progress is given some time beyond its deadline, a queued one none', async () => {
    const { runs } = subject();
    for (const id of ['j', 'k']) await runs.create(newRun(id, { deadlineAt: 1000 }), LONG_MS, null);
    await runs.begin('k', nth(1), 'w');
    const expire = (id: string, now: number) =>
      runs.expire(newRun(id), resultOf('late', { status: 504, finishedAt: now }), 500, TTL);
    assert.deepEqual([await expire('j', 1000), await expire('k', 1500)], [false, false]);
    assert.deepEqual([await expire('j', 1001), await expire('k', 1501)], [true, true]);
    assert.deepEqual(await runs.progress(['j']), [{ status: 'failed', code: 504 }]);
    assert.equal(await expire('j', 9999), false);
  });
}

function testMoving(subject: () => RunStoreSubject): void {
  test('the address of an open run follows its message; that of a final or unknown one stays', async () => {
    const { runs } = subject();
    const run = newRun('moved');
    const to = { ...(run.address ?? assert.fail()), shard: 3 };
    await runs.create(run, LONG_MS, null);
    await runs.begin('moved', nth(1), 'w');
    assert.deepEqual([await runs.move('moved', to), await runs.move('moved', to)], [true, true]);
    assert.deepEqual((await runs.read('moved'))?.address, to);
    await runs.finish('moved', nth(1), endOf('{}'), TTL);
    assert.deepEqual(
      [await runs.move('moved', run.address ?? to), await runs.move('nobody', to)],
      [false, false],
    );
    assert.deepEqual((await runs.read('moved'))?.address, to);
    assert.equal(await runs.read('nobody'), null);
  });
}

function testKeeping(subject: () => RunStoreSubject): void {
  test('a run that was answered already is stored with its answer', async () => {
    const { runs } = subject();
    await runs.keep(newRun('kept-run', { kind: 'response', address: null }), endOf('{"a":1}'), TTL);
    const run = await runs.read('kept-run');
    assert.deepEqual([run?.status, run?.attempt, run?.logLength], ['completed', 1, 0]);
    assert.equal(run?.address, null);
    assert.deepEqual(run?.result, resultOf('{"a":1}'));
    await runs.describe('kept-run', 'detail', { a: 'b' });
    const described = await runs.read('kept-run');
    assert.deepEqual([described?.detail, described?.labels], ['detail', { a: 'b' }]);
    await runs.describe('never', 'detail', {});
    assert.equal(await runs.read('never'), null);
  });

  test('an outline is all of a run but what may be large, whose length it tells', async () => {
    const { runs } = subject();
    const about = { kind: 'completion', detail: 'prompt', labels: { a: 'b' } } as const;
    await runs.keep(newRun('outlined', { ...about, address: null }), endOf('{"a":1}'), TTL);
    const [found, missing] = await runs.outlines(['outlined', 'never']);
    const { detail: _detail, result, ...rest } = (await runs.read('outlined')) as StoredRun;
    // As it is kept: what is sealed is longer.
    const bytes = found?.bytes ?? 0;
    assert.ok(bytes >= 'prompt{"a":1}'.length);
    assert.deepEqual(found, { ...rest, code: 200, finishedAt: result?.finishedAt, bytes });
    assert.deepEqual(found?.labels, { a: 'b' });
    assert.equal(missing, null);
  });

  test('a record ends with its time; the answer of a batch line is kept for as long as the line', async () => {
    const { runs, elapse } = subject();
    const short = { recordMs: 100, logMs: 100 };
    for (const [id, kind] of [
      ['own', 'job'],
      ['line', 'batch_line'],
      ['short', 'batch_line'],
    ] as const) {
      await runs.create(newRun(id, { kind }), LONG_MS, null);
      await runs.begin(id, nth(1), 'w');
      await runs.finish(id, nth(1), endOf('{}'), short);
    }
    await runs.shorten(['short'], 100);
    await elapse(150);
    assert.deepEqual(
      (await runs.progress(['own', 'line', 'short'])).map(each => each !== null),
      [false, true, false],
    );
    const then = await runs.time();
    await elapse(50);
    assert.ok((await runs.time()) >= then + 50);
  });
}

function testCompletionList(subject: () => RunStoreSubject): void {
  test('stored completions are listed by age, from behind a known one', async () => {
    const { completions } = subject().runs;
    for (const [id, at] of [
      ['two', 2],
      ['one', 1],
      ['three', 3],
      ['four', 4],
    ] as const)
      await completions.add('lister', id, at, 60_000);
    await completions.remove('lister', 'four');
    assert.deepEqual(await completions.page('lister', 'asc', null, 2), ['one', 'two']);
    assert.deepEqual(await completions.page('lister', 'asc', 'two', 2), ['three']);
    assert.deepEqual(await completions.page('lister', 'desc', 'three', 5), ['two', 'one']);
    assert.equal(await completions.page('lister', 'asc', 'four', 2), null);
    assert.deepEqual(await completions.page('stranger', 'asc', null, 2), []);
  });
}
