import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaderName, Leadership } from './leadership.ts';
import type { Holder } from './node-name.ts';

function region() {
  const clock = { ms: 0, now: () => clock.ms, monotonic: () => clock.ms };
  let held: (Holder & { readonly until: number }) | null = null;
  let isAway = false;
  const nodes = {
    async hold(_name: string, holder: Holder, ttlMs: number) {
      if (isAway) throw new Error('away');
      if (held !== null && held.until > clock.ms && held.nonce !== holder.nonce) return held;
      held = { ...holder, until: clock.ms + ttlMs };
      return null;
    },
    async letGo(_name: string, nonce: string) {
      if (held?.nonce === nonce) held = null;
    },
  };
  const log = { info: () => {}, warn: () => {} } as never;
  const here = { host: 'h', pid: 1, place: 'x' };
  return {
    clock,
    away: (is: boolean) => {
      isAway = is;
    },
    begin: (nonce: string) =>
      new Leadership(new LeaderName({ nodes, name: 'scaler:eu', nonce, here }), clock, log),
  };
}

test('of two processes one leads, and the other takes over when it ends', async () => {
  const { begin } = region();
  const [a, b] = [begin('a'), begin('b')];
  await a.campaign();
  await b.campaign();
  assert.deepEqual([a.isLeader, b.isLeader], [true, false]);
  await a.stop();
  await b.campaign();
  assert.deepEqual([a.isLeader, b.isLeader], [false, true]);
});

test('a leader that cannot renew stops before another may begin', async () => {
  const { begin, clock, away } = region();
  const [a, b] = [begin('a'), begin('b')];
  await a.campaign();
  away(true);
  clock.ms = 3000;
  await a.campaign();
  assert.equal(a.isLeader, true);
  clock.ms = 3600;
  assert.equal(a.isLeader, false);
  away(false);
  clock.ms = 4900;
  await b.campaign();
  assert.equal(b.isLeader, false);
  clock.ms = 5100;
  await b.campaign();
  assert.equal(b.isLeader, true);
  await a.campaign();
  assert.equal(a.isLeader, false);
});

test('a hold that was asked for when its process ended is let go once it is had', async () => {
  const { begin } = region();
  const [a, b] = [begin('a'), begin('b')];
  const asking = a.campaign();
  await a.stop();
  await asking;
  assert.equal(a.isLeader, false);
  await b.campaign();
  assert.equal(b.isLeader, true);
});
