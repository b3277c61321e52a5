import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASSUMED_TOKENS_PER_SEC } from '@penstock/policy';
import type { Heartbeat } from '@penstock/protocol';
import { heartbeatOf } from './fleet.fixture.ts';
import { Members } from './members.ts';
import { ShardLoads } from './shard-loads.ts';

function startLoads(shards: number) {
  const state = { now: 0, rand: 0 };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const members = new Members({
    clock,
    connected: () => true,
    onDropped() {},
    onGone: () => {},
    onRemoved: () => {},
  });
  const loads = new ShardLoads({ members, clock, shards, rand: () => state.rand });
  return {
    loads,
    hear: (worker: string, shard: number, more: Partial<Heartbeat> = {}) =>
      members.hear(heartbeatOf({ worker, shard, tokensPerSec: 0, ...more })),
    pass(seconds: number) {
      for (let i = 0; i < seconds; i++) {
        state.now += 1000;
        members.sweep();
      }
    },
    /** Every shard that is chosen for some random number. */
    drawn: (slug: string) => {
      const chosen = [0, 0.3, 0.6, 0.99].map(rand => {
        state.rand = rand;
        return loads.shardFor(slug);
      });
      return [...new Set(chosen)].sort();
    },
  };
}

test('work goes where the model is served; where it is served nowhere, anywhere', () => {
  const { drawn, hear, pass } = startLoads(4);
  assert.deepEqual(drawn('m'), [0, 1, 2, 3]);
  hear('a', 2);
  hear('b', 3, { pulling: false });
  assert.deepEqual(drawn('m'), [2]);
  assert.deepEqual(drawn('other'), [0, 1, 2, 3]);
  hear('c', 1);
  assert.deepEqual(drawn('m'), [1, 2]);
  hear('a', 2, { leaving: true });
  assert.deepEqual(drawn('m'), [1]);
  pass(2);
  hear('d', 0);
  pass(2);
  assert.deepEqual(drawn('m'), [0], 'a silent worker is not counted');
  pass(65);
  assert.deepEqual(drawn('m'), [0, 1, 2, 3], 'all are forgotten');
});

test('if no worker serves a model now, work waits in a shard whose workers did', () => {
  const { drawn, hear, loads, pass } = startLoads(4);
  hear('sick', 2, { pulling: false });
  assert.deepEqual(drawn('m'), [2]);
  hear('silent', 3);
  assert.deepEqual(drawn('m'), [3]);
  pass(6);
  assert.deepEqual(drawn('m'), [2, 3]);
  assert.equal(loads.isStranded('m', 0), false, 'there is no better shard to move to');
});

test('a shard waits as its workers do, weighted by their rates; an unknown rate counts as the assumed one', () => {
  const { hear, loads, pass } = startLoads(2);
  hear('fast', 0, { tokensPerSec: 30_000, waitS: 4 });
  hear('slow', 0, { tokensPerSec: 10_000, waitS: 8 });
  assert.equal(loads.waitS('m'), 5);
  hear('new', 1, { waitS: 3 });
  assert.equal(loads.waitS('m'), 3);
  assert.equal(loads.fastestTokensPerSec('m'), 30_000, 'an assumed rate is no measure for the fleet');
  pass(1);
  assert.equal(loads.waitS('m'), 2, 'they worked meanwhile');
  hear('fast', 0, { leaving: true });
  hear('slow', 0, { tokensPerSec: ASSUMED_TOKENS_PER_SEC, waitS: 1 });
  hear('young', 0, { waitS: 2 });
  hear('new', 1, { leaving: true });
  assert.equal(loads.waitS('m'), 1.5);
  assert.equal(loads.waitS('other'), 0);
});

test('work is stranded in a shard that lost its last worker while another one has some', () => {
  const { hear, loads, pass } = startLoads(2);
  assert.equal(loads.isStranded('m', 0), false);
  hear('a', 0);
  hear('b', 1);
  assert.deepEqual([loads.isStranded('m', 0), loads.slots('m')], [false, 16]);
  pass(3);
  hear('b', 1);
  pass(1);
  assert.deepEqual([loads.isStranded('m', 0), loads.isStranded('m', 1), loads.slots('m')], [true, false, 8]);
});
