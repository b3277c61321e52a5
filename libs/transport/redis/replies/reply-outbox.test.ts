import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ReplyOutbox } from './reply-outbox.ts';

const refusal = () => Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' });

/** An outbox before a Redis that answers when, and as, the test says. */
function startOutbox(mostKeptBytes = 1000) {
  const sent: string[] = [];
  const pauses: number[] = [];
  const state = { refuses: (_packet: string): Error | null => null };
  let goOn = () => {};
  const outbox = new ReplyOutbox({
    mostKeptBytes,
    send: async (ingressId, packet) => {
      const error = state.refuses(String(packet));
      if (error !== null) throw error;
      sent.push(`${ingressId} ${packet}`);
    },
    pause: ms => {
      pauses.push(ms);
      return new Promise<void>(resolve => {
        goOn = resolve;
      });
    },
  });
  const publish = (ingressId: string, text: string) => outbox.publish(ingressId, Buffer.from(text));
  const pass = async () => {
    goOn();
    await turn();
  };
  return { outbox, publish, sent, pauses, state, pass };
}

test('what is refused is sent again, before what was published later', async () => {
  const { publish, sent, pauses, state, pass } = startOutbox();
  state.refuses = refusal;
  const confirmed: string[] = [];
  const done = ['a', 'b', 'c'].map(text => publish('in-1', text).then(() => confirmed.push(text)));
  await turn();
  done.push(publish('in-1', 'd').then(() => confirmed.push('d')));
  for (let i = 0; i < 7; i++) await pass();
  assert.deepEqual(pauses, [25, 25, 50, 100, 200, 400, 800, 1000]);
  assert.deepEqual([sent, confirmed], [[], []]);
  state.refuses = () => null;
  await publish('in-2', 'x');
  await pass();
  await Promise.all(done);
  assert.deepEqual(sent, ['in-2 x', 'in-1 a', 'in-1 b', 'in-1 c', 'in-1 d']);
  assert.deepEqual(confirmed, ['a', 'b', 'c', 'd']);
  await publish('in-1', 'e');
  assert.equal(sent.at(-1), 'in-1 e', 'nothing is kept any more');
});

test('only refusals are kept: the client repeats what a lost connection leaves open', async () => {
  const { publish, state } = startOutbox();
  state.refuses = () => new Error('Connection is closed.');
  await assert.rejects(publish('in-1', 'a'), /closed/);
});

test('no more is kept than is allowed, and the rest is told to be lost', async () => {
  const { publish, sent, state, pass } = startOutbox(2);
  state.refuses = refusal;
  const kept = [publish('in-1', 'a'), publish('in-1', 'b')];
  await assert.rejects(publish('in-1', 'c'), /OOM/);
  await assert.rejects(publish('in-1', 'd'), /too many packets/);
  state.refuses = () => null;
  await pass();
  await Promise.all(kept);
  assert.deepEqual(sent, ['in-1 a', 'in-1 b']);
});

test('a closed outbox says that what it kept is lost', async () => {
  const { outbox, publish, sent, state, pass } = startOutbox();
  state.refuses = refusal;
  const lost = assert.rejects(publish('in-1', 'a'), /closed/);
  await turn();
  outbox.close();
  await lost;
  state.refuses = () => null;
  await pass();
  assert.deepEqual(sent, []);
});
