import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOLD_MS, type Holder, NameTaken, NodeName } from './node-name.ts';

const nonceIn = ({ held }: { held: Holder | null }) => held?.nonce;

/** A store of names with a clock that pauses move on. */
function startNodes() {
  const state = { now: 0, held: null as (Holder & { until: number }) | null };
  const nodes = {
    async hold(_name: string, holder: Holder, ttlMs: number, instead = '') {
      const { held, now } = state;
      if (held !== null && held.until > now && held.nonce !== holder.nonce && held.nonce !== instead)
        return held;
      state.held = { ...holder, until: now + ttlMs };
      return null;
    },
    async letGo(_name: string, nonce: string) {
      if (state.held?.nonce === nonce) state.held = null;
    },
  };
  const begin = (nonce: string, { place = 'a', pid = 1, onPause = async () => {} } = {}) =>
    new NodeName({
      ...{ nodes, name: 'ingress:in-1', nonce, here: { host: 'h', pid, place } },
      async pause(ms) {
        state.now += ms;
        await onPause();
      },
    });
  return { state, begin };
}

test('a name is free for the next process once its holder let go', async () => {
  const { state, begin } = startNodes();
  const first = begin('1');
  await first.take();
  await first.letGo();
  await begin('2', { place: 'b' }).take();
  assert.deepEqual([state.now, state.held?.nonce], [0, '2']);
});

test('a process that lives keeps its name, and the newcomer learns who it is', async () => {
  const { begin } = startNodes();
  const first = begin('1', { pid: 12 });
  await first.take();
  const second = begin('2', { place: 'b', onPause: async () => void (await first.renew()) });
  await assert.rejects(
    second.take(),
    (err: Error) => err instanceof NameTaken && /12 on h/.test(err.message),
  );
  await second.letGo();
  assert.equal(await first.renew(), null);
});

test('the name of a killed process is free when its hold is over, and at once where it is seen to be gone', async () => {
  const { state, begin } = startNodes();
  await begin('1', { pid: 4_194_300 }).take();
  await begin('2', { place: 'b' }).take();
  assert.equal(state.now, HOLD_MS);
  await begin('3', { place: 'b', pid: 2 }).take();
  state.now = 0;
  state.held = null;
  await begin('4', { pid: 4_194_300 }).take();
  await begin('5').take();
  assert.deepEqual([state.now, nonceIn(state)], [0, '5']);
});

test('a process that was paused for longer than its hold learns that it lost its name', async () => {
  const { state, begin } = startNodes();
  const first = begin('1');
  await first.take();
  state.now += HOLD_MS + 1;
  await begin('2', { place: 'b' }).take();
  assert.equal((await first.renew())?.nonce, '2');
  await first.letGo();
  assert.equal(state.held?.nonce, '2', 'it does not free what it does not hold');
});
