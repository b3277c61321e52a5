import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Claimant, FairQueue } from './fair-queue.ts';

const NO_LEAD = Number.POSITIVE_INFINITY;

const item = (owner: string, cost = 1, weight = 1, kind = 'any'): Claimant => ({ owner, cost, weight, kind });

/** Takes out what comes next, of whatever kind. */
function serve(queue: FairQueue<Claimant>, kind = 'any', lead = NO_LEAD): string | null {
  const next = queue.first(kind, lead);
  if (next !== null) queue.serve(next);
  return next?.owner ?? null;
}

/** Numbers in [0, 1), the same for each seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

test('owners that always have something waiting are served by their weights, to within one item of each', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed);
    const queue = new FairQueue<Claimant>();
    const weights = Array.from({ length: 2 + Math.floor(random() * 4) }, () => 1 + Math.floor(random() * 5));
    const served = weights.map(() => 0);
    const most = 100;
    const add = (owner: number) =>
      queue.add(item(String(owner), 1 + Math.floor(random() * most), weights[owner]));
    for (const owner of weights.keys()) for (let i = 0; i < 3; i++) add(owner);
    for (let round = 0; round < 500; round++) {
      const next = queue.first('any', NO_LEAD);
      assert.ok(next !== null);
      queue.serve(next);
      const owner = Number(next.owner);
      served[owner] = (served[owner] ?? 0) + next.cost;
      add(owner);
      const clocks = served.map((cost, i) => cost / (weights[i] ?? 1));
      const bound = 2 * most;
      assert.ok(Math.max(...clocks) - Math.min(...clocks) <= bound, `seed ${seed}: ${clocks.join(' ')}`);
    }
  }
});

test('whoever comes to a long line of another waits for one of it at most', () => {
  const queue = new FairQueue<Claimant>();
  for (let i = 0; i < 50; i++) queue.add(item('many', 10));
  for (let i = 0; i < 5; i++) serve(queue);
  for (let i = 0; i < 10; i++) {
    queue.add(item('few', 1));
    const order = [serve(queue), serve(queue)];
    assert.ok(order.includes('few'), order.join());
  }
});

test('what an owner did not use is gone', () => {
  const queue = new FairQueue<Claimant>();
  for (let i = 0; i < 100; i++) queue.add(item('early'));
  for (let i = 0; i < 50; i++) serve(queue);
  for (let i = 0; i < 100; i++) queue.add(item('late'));
  const next = Array.from({ length: 20 }, () => serve(queue));
  assert.equal(next.filter(owner => owner === 'late').length, 10);
});

test('one that is ahead stays so while it has nothing waiting, and only as long as others wait', () => {
  const queue = new FairQueue<Claimant>();
  queue.add(item('big', 100));
  queue.add(item('small', 1));
  queue.add(item('small', 1));
  assert.equal(serve(queue), 'big');
  queue.add(item('big', 100));
  assert.deepEqual([serve(queue), serve(queue), serve(queue)], ['small', 'small', 'big']);
  queue.add(item('big', 1));
  queue.add(item('small', 1));
  assert.equal(serve(queue), 'big', 'all begin anew where nothing waited');
});

test('an owner gets ahead of one that waits for another kind, but not by more than the lead', () => {
  const queue = new FairQueue<Claimant>();
  queue.add(item('slow', 10, 1, 'long'));
  for (let i = 0; i < 100; i++) queue.add(item('fast', 1, 1, 'short'));
  let served = 0;
  while (serve(queue, 'short', 20) !== null) served++;
  assert.equal(served, 21);
  assert.equal(serve(queue, 'long', 20), 'slow');
  assert.equal(serve(queue, 'short', 20), 'fast');
});

test('what is taken out is served no more, and counts for nothing', () => {
  const queue = new FairQueue<Claimant>();
  const [first, second] = [item('a'), item('a')];
  queue.add(first);
  queue.add(second);
  assert.deepEqual([queue.remove(first), queue.remove(first), queue.sizeOf('any')], [true, false, 1]);
  assert.equal(queue.first('any', NO_LEAD), second);
  assert.deepEqual([...queue.owners()], [['a', second, 1]]);
  queue.remove(second);
  assert.deepEqual([queue.kinds, [...queue.owners()]], [[], []]);
});

test('a part of a weight counts for as much', () => {
  const queue = new FairQueue<Claimant>();
  for (const owner of ['whole', 'half']) for (let i = 0; i < 100; i++) queue.add(item(owner));
  const order: string[] = [];
  for (let i = 0; i < 30; i++) {
    const next = queue.first('any', NO_LEAD);
    if (next === null) break;
    queue.serve(next, next.owner === 'half' ? 0.5 : 1);
    order.push(next.owner);
  }
  assert.equal(order.filter(owner => owner === 'half').length, 10);
});

test('what is ahead of who comes is what is served before it, where nobody else comes', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = randomOf(seed);
    const queue = new FairQueue<Claimant>();
    const weights = [1, 2, 5];
    const add = () => {
      const owner = Math.floor(random() * weights.length);
      return item(String(owner), 1 + Math.floor(random() * 10), weights[owner]);
    };
    for (let i = 0; i < 60; i++) queue.add(add());
    for (let i = 0; i < 20; i++) serve(queue);
    const last = add();
    const ahead = queue.ahead(last);
    queue.add(last);
    let served = 0;
    for (let next = queue.first('any', NO_LEAD); next !== last; next = queue.first('any', NO_LEAD)) {
      assert.ok(next !== null);
      served += next.cost;
      queue.serve(next);
    }
    assert.ok(Math.abs(served - ahead) <= 20, `of ${served} served first ${ahead} were ahead`);
  }
});
