import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batcher } from './batcher.ts';
import type { BatcherClock } from './clock.ts';
import { PrefixCache } from './prefix-cache.ts';
import { PROFILES } from './timing.ts';

/** A clock that the test moves. */
function manualClock(): BatcherClock & { runAll(): number } {
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
    /** Until nothing is scheduled. @returns the time then. */
    runAll() {
      for (let due = next; due !== null; due = next) {
        next = null;
        now = Math.max(now, due.time);
        due.run();
      }
      return now;
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
