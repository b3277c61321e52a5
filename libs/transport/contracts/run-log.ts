/** What every run log has to keep, over the store of its runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogHint, RunLog } from '../ports/runs/run-log.ts';
import type { RunStore } from '../ports/runs/run-store.ts';
import { eventually } from './eventually.ts';
import { nth } from './nth.ts';
import { newRun, resultOf } from './run-store.ts';

export interface RunLogSubject {
  readonly runs: RunStore;
  readonly log: RunLog;
}

const TTL = { recordMs: 60_000, logMs: 60_000 };
const entry = (text: string) => Buffer.from(text);
const texts = (entries: readonly Buffer[] | undefined) => entries?.map(String);

/** Registers the tests. @param subject the log under test; asked for within each test. */
export function testRunLog(subject: () => RunLogSubject): void {
  const begun = async (id: string) => {
    const { runs } = subject();
    await runs.create(newRun(id, { log: 'deltas' }), 60_000, null);
    await runs.begin(id, nth(1), 'w');
    return subject();
  };
  testWriting(begun);
  testReading(begun);
}

type Begun = (id: string) => Promise<RunLogSubject>;

function testWriting(begun: Begun): void {
  test('the current attempt appends, each entry once', async () => {
    const { runs, log } = await begun('append');
    assert.equal(await log.append('append', nth(1), 0, entry('a')), 0);
    assert.equal(await log.append('append', nth(1), 0, entry('a')), 0, 'a command that was sent twice');
    assert.equal(await log.append('append', nth(1), 1, entry('b')), 0);
    assert.equal(await log.append('append', nth(1), 5, entry('x')), 'torn');
    assert.equal(await log.append('append', nth(2), 2, entry('x')), 'fenced');
    await runs.begin('append', nth(2), 'w');
    assert.equal(await log.append('append', nth(1), 2, entry('x')), 'fenced');
    const slice = await log.slice('append', 0, 10);
    assert.deepEqual([slice?.status, slice?.attempt, texts(slice?.entries)], ['in_progress', 2, ['a', 'b']]);
    assert.deepEqual(texts((await log.slice('append', 1, 10))?.entries), ['b']);
    assert.deepEqual(texts((await log.slice('append', 0, 1))?.entries), ['a']);
    assert.equal(await log.slice('unknown', 0, 10), null);
  });

  test('of two attempts of one number the one that has the run writes its log', async () => {
    const { runs, log } = await begun('twin-log');
    const twin = nth(1, 12);
    assert.equal(await log.append('twin-log', nth(1), 0, entry('a')), 0);
    assert.equal(await log.append('twin-log', twin, 0, entry('A')), 'fenced', 'not taken for sent twice');
    assert.equal(await log.append('twin-log', twin, 1, entry('B')), 'fenced');
    assert.equal(await log.restart('twin-log', twin), false);
    await runs.putBack('twin-log', nth(1), '');
    assert.equal(await runs.begin('twin-log', twin, 'w-2'), 'begun');
    assert.equal(await log.append('twin-log', nth(1), 1, entry('b')), 'fenced');
    assert.equal(await log.append('twin-log', twin, 1, entry('B')), 0);
    assert.deepEqual(texts(await log.peek('twin-log', 0, 9)), ['a', 'B']);
  });

  test('a log that a client has read is not restarted; one that an attempt has read is', async () => {
    const { log } = await begun('peek');
    await log.append('peek', nth(1), 0, entry('a'));
    assert.deepEqual(texts(await log.peek('peek', 0, 10)), ['a']);
    assert.equal(await log.restart('peek', nth(2)), false, 'an attempt that is not current');
    assert.equal(await log.restart('peek', nth(1)), true);
    assert.deepEqual(await log.peek('peek', 0, 10), []);
    await log.append('peek', nth(1), 0, entry('b'));
    await log.slice('peek', 0, 10);
    assert.equal(await log.restart('peek', nth(1)), false);
    assert.deepEqual(texts(await log.peek('peek', 0, 10)), ['b']);
  });
}

function testReading(begun: Begun): void {
  test('a follower is notified of entries and of the end', async () => {
    const { runs, log } = await begun('watch');
    const hints: LogHint[] = [];
    const stop = await log.watch('watch', hint => void hints.push(hint));
    // A subscription takes a moment to become visible.
    let at = 0;
    await eventually(async () => (await log.append('watch', nth(1), at, entry(`e${at++}`))) === 1);
    const last = { entry: entry('last'), at };
    const end = { status: 'completed', result: resultOf('{}'), log: 'deltas', last } as const;
    assert.equal(await runs.finish('watch', nth(1), end, TTL), true);
    await eventually(() => hints.includes(null));
    assert.deepEqual(hints.at(-2), { length: at, entry: entry(`e${at - 1}`) });
    stop();
    assert.equal((await runs.read('watch'))?.logLength, at + 1);
    const slice = await log.slice('watch', at, 10);
    assert.deepEqual([slice?.status, texts(slice?.entries)], ['completed', ['last']]);
  });

  test('a run that is queued again loses its log, unless a client has read it', async () => {
    const error = { result: resultOf('oops'), log: 'deltas', lastWords: 'oops' } as const;
    for (const isRead of [false, true]) {
      const id = `reopen-${isRead}`;
      const { runs, log } = await begun(id);
      await log.append(id, nth(1), 0, entry('a'));
      if (isRead) await log.slice(id, 0, 1);
      assert.equal(await runs.fail(id, nth(1), error, 1, TTL), 'final');
      assert.equal(await runs.reopen(id, 99, 60_000), true);
      assert.equal((await log.peek(id, 0, 10)).length, isRead ? 1 : 0);
    }
  });
}
