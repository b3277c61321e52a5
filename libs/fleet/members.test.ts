import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heartbeatOf, modelOf } from './fleet.fixture.ts';
import { Members } from './members.ts';

function startMembers() {
  const state = { now: 0, connected: true };
  const events: string[] = [];
  const members = new Members({
    clock: { now: () => state.now, monotonic: () => state.now },
    connected: () => state.connected,
    onDropped: ({ name }) => events.push(`${name} dropped`),
    onGone: worker => events.push(`${worker} gone`),
    onRemoved: ({ worker }, why) => events.push(`${worker} ${why}`),
  });
  return { members, state, events };
}

test('silence proves nothing while heartbeats cannot arrive', () => {
  const { members, state, events } = startMembers();
  state.now = 2000;
  members.sweep();
  members.hear(heartbeatOf({}));
  state.connected = false;
  for (state.now = 3000; state.now <= 9000; state.now += 1000) members.sweep();
  state.connected = true;
  state.now = 10_000;
  members.sweep();
  assert.deepEqual([members.isLost('w-1'), events], [false, []]);
  state.now = 13_000;
  members.sweep();
  assert.deepEqual([members.isLost('w-1'), events], [true, ['w-1 gone']]);
});

test('a process that was paused itself waits before it calls a worker lost', () => {
  const { members, state } = startMembers();
  members.hear(heartbeatOf({}));
  state.now = 30_000;
  members.sweep();
  assert.equal(members.isLost('w-1'), false);
});

test('a process that was paused for minutes forgets no worker that it has not listened for since', () => {
  const { members, state, events } = startMembers();
  members.hear(heartbeatOf({}));
  state.now = 180_000;
  members.sweep();
  assert.deepEqual([members.size, events, [...members.modelNames()]], [1, [], ['m']]);
  for (const end = state.now + 60_000; state.now < end; state.now += 1000) members.sweep();
  assert.deepEqual(events, ['w-1 gone'], 'it is lost only');
  for (const end = state.now + 2000; state.now < end; state.now += 1000) members.sweep();
  assert.deepEqual([members.size, events], [0, ['w-1 gone', 'w-1 forgotten']]);
});

test('a silent worker serves nothing; its next heartbeat brings it back', () => {
  const { members, state } = startMembers();
  const serving = () => members.serving('m').map(({ worker }) => worker);
  members.hear(heartbeatOf({}));
  assert.deepEqual(serving(), ['w-1']);
  state.now = 3001;
  assert.deepEqual(serving(), []);
  assert.deepEqual(
    members.of('m').map(({ worker }) => worker),
    ['w-1'],
  );
  members.hear(heartbeatOf({}));
  assert.deepEqual([serving(), members.serving('other')], [['w-1'], []]);
});

test('the version changes when a worker starts or stops serving a model', () => {
  const { members, state } = startMembers();
  let before = members.version;
  const changed = () => {
    const isOther = members.version !== before;
    before = members.version;
    return isOther;
  };
  members.hear(heartbeatOf({}));
  assert.equal(changed(), true);
  members.hear(heartbeatOf({ waitS: 3 }));
  assert.equal(changed(), false);
  for (const more of [{ models: [modelOf('n')] }, { pulling: false }, { pulling: true }, { shard: 1 }]) {
    members.hear(heartbeatOf({ models: [modelOf('n')], ...more }));
    assert.equal(changed(), true, JSON.stringify(more));
  }
  for (let i = 0; i < 4; i++) {
    state.now += 1000;
    members.sweep();
  }
  assert.equal(changed(), true);
  members.hear(heartbeatOf({ leaving: true }));
  assert.equal(changed(), true);
});

test('removals say whether the worker left or was forgotten', () => {
  const { members, state, events } = startMembers();
  members.hear(heartbeatOf({}));
  members.hear(heartbeatOf({ worker: 'w-2', pulling: false }));
  members.hear(heartbeatOf({ leaving: true }));
  for (let i = 0; i < 61; i++) {
    state.now += 1000;
    members.sweep();
  }
  assert.deepEqual(events, ['w-1 left', 'w-1 gone', 'w-2 gone', 'w-2 forgotten']);
});

test('a process that goes on without a model has dropped it; one that is started again has not', () => {
  const { members, events } = startMembers();
  const hear = (names: string[], incarnation = 'p1') =>
    members.hear(heartbeatOf({ incarnation, models: names.map(name => modelOf(name)) }));
  hear(['m', 'lora']);
  hear(['m']);
  assert.deepEqual(events, ['lora dropped']);
  assert.deepEqual([...members.modelNames()], ['m']);
  hear([], 'p2');
  assert.deepEqual(events, ['lora dropped'], 'its engine may be loading');
  hear(['m'], 'p2');
  hear([], 'p2');
  assert.deepEqual(events, ['lora dropped', 'm dropped']);
});

test('a process that is known to have ended is lost at once, and its successor under the name is not', () => {
  const { members, state, events } = startMembers();
  for (state.now = 0; state.now <= 4000; state.now += 1000) members.hear(heartbeatOf({}));
  state.now = 4100;
  assert.equal(members.isLost('w-1', 'p1'), false);
  members.ended('w-1', 'p1');
  members.ended('w-1', 'p1');
  members.ended('nobody', 'p1');
  assert.deepEqual([members.isLost('w-1', 'p1'), members.serving('m'), events], [true, [], ['w-1 gone']]);
  members.hear(heartbeatOf({ incarnation: 'p2' }));
  members.ended('w-1', 'p1');
  assert.deepEqual([members.isLost('w-1', 'p2'), members.serving('m').length], [false, 1]);
});

test('replies break the silence of the process that sends heartbeats, and of no other', () => {
  const { members, state } = startMembers();
  members.hear(heartbeatOf({}));
  members.hear(heartbeatOf({ incarnation: 'p2' }));
  state.now = 700;
  members.hearQuote('w-1', { waitMs: 0, tokensPerSec: 1, cacheTokens: 0 });
  state.now = 900;
  assert.deepEqual(
    ['p1', 'p2', 'p3'].map(process => members.silentMs('w-1', process)),
    [900, 200, null],
  );
  assert.equal(members.silentMs('nobody', 'p1'), null);
});
