import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacedReplies } from './paced-replies.ts';

const refusal = () => Object.assign(new Error('FULL'), { name: 'ReplyError' });

/** Before a Redis with a window of 10 bytes, whose ingress reads when the test says; each pause takes as long as it is asked for. */
function startPaced() {
  const state = { read: 0, appended: 0, isHeldUp: false, now: 0, refuses: null as Error | null };
  const sent: string[] = [];
  let onPause = () => {};
  const paced = new PacedReplies({
    send: async (_ingressId, packet) => {
      const unread = state.appended - state.read;
      if (state.refuses !== null) throw state.refuses;
      if (unread > 0 && unread + packet.length > 10) throw refusal();
      state.appended += packet.length;
      sent.push(String(packet));
    },
    backlog: async () => ({ read: state.read, unread: state.appended - state.read }),
    isHeldUp: () => state.isHeldUp,
    windowBytes: 10,
    now: () => state.now,
    pause: async ms => {
      state.now += ms;
      onPause();
    },
  });
  const publish = (text: string) => paced.publish('in-1', Buffer.from(text));
  return {
    paced,
    state,
    sent,
    publish,
    onPause: (act: () => void) => {
      onPause = act;
    },
  };
}

test('a packet waits until what its ingress has not read leaves room for it', async () => {
  const { state, sent, publish, onPause } = startPaced();
  await publish('12345');
  await publish('67890');
  let pauses = 0;
  onPause(() => {
    if (++pauses === 3) state.read = 5;
  });
  await publish('abcde');
  assert.deepEqual([sent, pauses], [['12345', '67890', 'abcde'], 3]);
});

test('one that is longer than the window is sent when everything was read', async () => {
  const { state, sent, publish, onPause } = startPaced();
  await publish('1');
  onPause(() => {
    state.read = 1;
  });
  await publish('a long packet');
  assert.equal(sent.length, 2);
});

test('nothing is sent before what was published earlier and is held up', async () => {
  const { state, sent, publish, onPause } = startPaced();
  state.isHeldUp = true;
  onPause(() => {
    assert.deepEqual(sent, []);
    state.isHeldUp = state.now < 100;
  });
  await publish('1');
  assert.deepEqual(sent, ['1']);
});

test('an ingress that reads on is waited for, one that reads nothing for 15 s is not', async () => {
  const { state, publish, onPause } = startPaced();
  await publish('1234567890');
  onPause(() => {
    if (state.now > 14_000 && state.read === 0) state.read = 1;
  });
  await assert.rejects(publish('ab'), /reads nothing/);
  assert.ok(state.now > 29_000 && state.now < 30_000, `${state.now}`);
});

test('what Redis refuses for another reason is tried again, and a lost connection is told', async () => {
  const { state, sent, publish, onPause } = startPaced();
  state.refuses = Object.assign(new Error('OOM'), { name: 'ReplyError' });
  onPause(() => {
    state.refuses = null;
  });
  await publish('1');
  assert.deepEqual(sent, ['1']);
  state.refuses = new Error('Connection is closed.');
  await assert.rejects(publish('2'), /is closed/);
});

test('a closed one says that what waits is lost', async () => {
  const { paced, publish, onPause } = startPaced();
  await publish('1234567890');
  onPause(() => paced.close());
  await assert.rejects(publish('2'), /closed/);
});
