import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batcher } from './batcher.ts';
import type { BatcherClock } from './clock.ts';
import { PrefixCache } from './prefix-cache.ts';
import { PROFILES } from './timing.ts';

interface ManualClock extends BatcherClock {
  sleepUntil(time: number): void;
  runUntil(end: number): number;
  runAll(): number;
}

/** A clock that the test moves. */
function manualClock(): ManualClock {
  let now = 0;
  let next: { time: number; run: () => void } | null = null;
  return {
    now: () => now,
    wakeAt: (time, run) => {
      next = { time, run };
    },
    cancel: () => {
      next = null;
    },
    /** The machine has no time for its timers meanwhile. */
    sleepUntil(time) {
      now = time;
    },
    /** Until nothing is scheduled that soon. @returns the time then. */
    runUntil(end) {
      for (let due = next; due !== null && due.time <= end; due = next) {
        next = null;
        now = Math.max(now, due.time);
        due.run();
      }
      return now;
    },
    /** Until nothing is scheduled. @returns the time then. */
    runAll() {
      return this.runUntil(Number.POSITIVE_INFINITY);
    },
  };
}

const profile = PROFILES['dense-70b-h100x4'];
assert.ok(profile);

function batcher(maxNumSeqs = 256) {
  const clock = manualClock();
  return {
    clock,
    engine: new Batcher({ profile: { ...profile, maxNumSeqs } as typeof profile & object, clock }),
  };
}

test('a prompt alone takes as long as the profile says', () => {
  const { clock, engine } = batcher();
  let firstAt = 0;
  engine.submit({ promptTokens: 4000, outputTokens: 1, deliver: () => (firstAt = clock.now()) });
  clock.runAll();
  // The table in the traces' documentation: 358 ms for 4k tokens.
  assert.ok(Math.abs(firstAt - 358) < 25, `${firstAt} ms`);
});

test('prompts are computed in the order they came, and every answer is whole', () => {
  const { clock, engine } = batcher();
  const firsts: string[] = [];
  const produced = new Map<string, number>();
  for (const name of ['a', 'b', 'c']) {
    engine.submit({
      promptTokens: 3000,
      outputTokens: 5,
      deliver: tokens => {
        if (!produced.has(name)) firsts.push(name);
        produced.set(name, tokens);
      },
    });
  }
  clock.runAll();
  assert.deepEqual(firsts, ['a', 'b', 'c']);
  assert.deepEqual([...produced.values()], [5, 5, 5]);
  assert.equal(engine.running + engine.waiting, 0);
});

test('no more than max_num_seqs run at once; an abort makes room', () => {
  const { clock, engine } = batcher(1);
  const deliver = () => {};
  const first = engine.submit({ promptTokens: 10, outputTokens: 1_000_000, deliver });
  let done = false;
  engine.submit({
    promptTokens: 10,
    outputTokens: 2,
    deliver: (_tokens, over) => {
      done = over;
    },
  });
  assert.ok(engine.running <= 1 && engine.waiting >= 1);
  engine.abort(first);
  clock.runAll();
  assert.ok(done);
});

test('twice as slow takes twice as long', () => {
  const times = [1, 2].map(slowdown => {
    const clock = manualClock();
    const engine = new Batcher({ profile, clock, slowdown });
    engine.submit({ promptTokens: 2000, outputTokens: 50, deliver: () => {} });
    return clock.runAll();
  });
  assert.ok(Math.abs((times[1] ?? 0) / (times[0] ?? 1) - 2) < 0.05, `${times}`);
});

test('how late its timers are does not change when its steps were', () => {
  const [second, third] = [40, 700];
  const firstTokens = (isLate: boolean) => {
    const clock = manualClock();
    const engine = new Batcher({ profile, clock, maxCatchUpMs: Number.POSITIVE_INFINITY });
    const submit = () => engine.submit({ promptTokens: 2000, outputTokens: 1, deliver: () => {} });
    const at = (time: number) => {
      if (!isLate) clock.runUntil(time);
      clock.sleepUntil(time);
      return submit();
    };
    // What comes meanwhile finds the timers overdue: of a prompt that was about to begin, and of a step.
    const sequences = [submit(), at(second), at(third)];
    clock.sleepUntil(isLate ? 60_000 : third);
    clock.runAll();
    return sequences.map(({ firstTokenAt }) => firstTokenAt);
  };
  assert.deepEqual(firstTokens(true), firstTokens(false));
});

test('a prompt that waits behind another one with the same beginning finds it in the cache', () => {
  const clock = manualClock();
  const engine = new Batcher({ profile, clock, cache: new PrefixCache(100_000) });
  const deliver = () => {};
  const blocks = () => ({ keys: [1, 2, 3, 4, 5, 6], tokensPerBlock: 1000 });
  const spec = { promptTokens: 6100, outputTokens: 2, blocks, deliver };
  const [first, second] = [engine.submit(spec), engine.submit(spec)];
  clock.runAll();
  assert.equal(first.cachedTokens, 0);
  assert.equal(second.cachedTokens, 6000);
});
