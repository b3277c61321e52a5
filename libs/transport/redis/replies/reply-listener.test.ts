import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { ReplyListener } from './reply-listener.ts';

/** Of a log id that the test made. */
function placeOf(id: string): number {
  const [ms = 0, n = 0] = id.split('-').map(Number);
  return 1000 * ms + n;
}

/** A listener on connections that do what the test says. */
async function startListener(t: TestContext, onPacket: (packet: string) => void = () => {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const entries: [id: string, packet: string, appended: number][] = [];
  /** Commands that fail from now on. */
  const refuses = new Set<'confirm' | 'subscribe' | 'xrange'>();
  const refused = () => Promise.reject(new Error('Connection is closed.'));
  const sub = Object.assign(new EventEmitter(), {
    status: 'ready',
    connect: async () => {},
    disconnect() {},
    subscribe: async () => (refuses.has('subscribe') ? refused() : 1),
  });
  const reads = { before: () => {} };
  const log = {
    xrevrange: async () => entries.slice(-1).map(([id]) => [id, []]),
    xrangeBuffer: async (_key: string, from: string, _to: string, _count: string, most: number) => {
      if (refuses.has('xrange')) return refused();
      reads.before();
      return entries
        .filter(([id]) => placeOf(id) > placeOf(from.slice(1)))
        .slice(0, most)
        .map(([id, packet, appended]) => [
          Buffer.from(id),
          ['p', packet, 'appended', String(appended)].map(text => Buffer.from(text)),
        ]);
    },
  };
  const got: string[] = [];
  const confirmed: string[] = [];
  const server = { runId: 'one' };
  const told = { connected: 0, badHints: 0, unhandled: 0 };
  const listener = new ReplyListener({
    log: log as unknown as Redis,
    sub: sub as unknown as Redis,
    ingressId: 'in-1',
    onPacket: packet => {
      onPacket(String(packet));
      got.push(String(packet));
    },
    onBadHint: () => told.badHints++,
    onUnhandled: () => told.unhandled++,
    serverOf: () => server.runId,
    onConnected: () => told.connected++,
    confirm: async (...upTo) => {
      confirmed.push(upTo.join(' '));
      if (refuses.has('confirm')) await refused();
    },
  });
  await listener.start();
  t.after(() => listener.stop());
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await turn();
  };
  const reconnect = async () => {
    sub.emit('close');
    sub.emit('ready');
    await turn();
  };
  const hint = (text: string) => sub.emit('messageBuffer', Buffer.from('c'), Buffer.from(text));
  const publish = (n: number, isHinted = true, packet = `packet ${n}`, of = 0) => {
    entries.push([`${n}-${of}`, packet, 100 * n + of]);
    if (isHinted) hint(`${n}-${of}@${100 * n + of} ${packet}`);
  };
  return { listener, reads, refuses, got, confirmed, told, pass, reconnect, publish, hint, server, entries };
}

for (const refused of ['subscribe', 'xrange'] as const)
  test(`a listener whose ${refused} is refused after a reconnect is not ready, and tries until it is live`, async t => {
    const { listener, refuses, got, told, pass, reconnect, publish } = await startListener(t);
    publish(1);
    assert.deepEqual([listener.connected, told.connected], [true, 1]);
    refuses.add(refused);
    await reconnect();
    publish(2, false);
    await pass(50);
    await pass(100);
    assert.deepEqual([listener.connected, got, told.connected], [false, ['packet 1'], 1]);
    refuses.clear();
    await pass(200);
    assert.equal(told.connected, 2);
    assert.deepEqual([listener.connected, got], [true, ['packet 1', 'packet 2']]);
    publish(3);
    assert.deepEqual(got.at(-1), 'packet 3');
  });

test('a listener that is sent more while it reads is connected meanwhile, and live once it has read to the end', async t => {
  const { listener, reads, got, told, reconnect, publish } = await startListener(t);
  const connected: boolean[] = [];
  let n = 0;
  reads.before = () => {
    connected.push(listener.connected);
    const count = connected.length < 4 ? 32 : 1;
    for (let i = 0; i < count; i++) publish(++n, false);
  };
  await reconnect();
  assert.deepEqual([connected, listener.connected, got.length], [[false, true, true, true], true, 97]);
  assert.equal(told.connected, 2);
  publish(++n);
  assert.equal(got.at(-1), `packet ${n}`);
});

test('a lost announcement is noticed by the end of the log, also where the first look at it is refused', async t => {
  const { listener, refuses, got, pass, publish } = await startListener(t);
  publish(1, false);
  await pass(1000);
  refuses.add('xrange');
  await pass(1000);
  assert.equal(listener.connected, false);
  refuses.clear();
  await pass(50);
  assert.deepEqual([listener.connected, got], [true, ['packet 1']]);
});

test('what was only announced is read from the log, and what follows comes behind it', async t => {
  const { listener, got, publish, hint } = await startListener(t);
  publish(1);
  publish(2, false);
  hint('2-0@200 ');
  assert.equal(listener.connected, true, 'it lags, and is well');
  publish(3);
  await turn();
  publish(4);
  assert.deepEqual(got, ['packet 1', 'packet 2', 'packet 3', 'packet 4']);
});

test('what a worker of the version before announces, without a count, is read as well', async t => {
  const { got, confirmed, pass, publish, hint } = await startListener(t);
  publish(1);
  publish(2, false);
  hint('2-0 packet 2');
  await pass(1000);
  assert.deepEqual([got, confirmed], [['packet 1', 'packet 2'], ['2-1 100']]);
});

test('what is no announcement is counted, and changes nothing', async t => {
  const { got, told, publish, hint, pass, confirmed } = await startListener(t);
  publish(1);
  for (const text of [
    '',
    ' ',
    'x',
    '@',
    '-',
    '2-0',
    '2-0@',
    '2-0@NaN x',
    '2-0@-5 x',
    '1e9-0@1 x',
    '2-0@1e3 x',
    ' packet',
    '9'.repeat(60),
  ])
    hint(text);
  publish(2);
  await pass(1000);
  assert.deepEqual([got, told.badHints], [['packet 1', 'packet 2'], 13]);
  assert.deepEqual(confirmed, ['2-1 200']);
});

test('an announcement of what nobody appended makes nobody deaf', async t => {
  const { listener, got, told, publish, hint, pass } = await startListener(t);
  publish(1);
  await pass(1000);
  hint('999999999999999-0@5 made up');
  publish(2);
  publish(3);
  await pass(1000);
  assert.deepEqual(got, ['packet 1', 'made up', 'packet 2', 'packet 3']);
  publish(4);
  assert.deepEqual([got.at(-1), told.badHints, listener.connected], ['packet 4', 1, true]);
});

test('a packet that cannot be dealt with is dropped, and those behind it are heard', async t => {
  const { got, told, publish } = await startListener(t, packet => {
    if (packet === 'packet 1') throw new Error('no');
  });
  for (const n of [1, 2]) publish(n);
  assert.deepEqual([got, told.unhandled], [['packet 2'], 1]);
});

test('what was read is confirmed: each second, and after so many bytes', async t => {
  const { confirmed, refuses, pass, publish } = await startListener(t);
  publish(1);
  assert.deepEqual(confirmed, []);
  await pass(1000);
  assert.deepEqual(confirmed, ['1-1 100']);
  await pass(1000);
  assert.equal(confirmed.length, 1, 'nothing new was read');
  refuses.add('confirm');
  for (const n of [2, 3, 4]) publish(n, true, 'x'.repeat(150_000));
  await turn();
  assert.deepEqual(
    confirmed.slice(1),
    ['3-1 300'],
    'one at a time, and a refused one is not repeated at once',
  );
  refuses.clear();
  await pass(1000);
  assert.deepEqual(confirmed.slice(2), ['4-1 400']);
});

test('a listener that was stopped tries nothing more', async t => {
  const { listener, refuses, got, pass, reconnect, publish } = await startListener(t);
  refuses.add('xrange');
  await reconnect();
  listener.stop();
  refuses.clear();
  publish(1, false);
  await pass(5000);
  assert.deepEqual(got, []);
});

test('packets of a promoted server whose clock is behind are heard', async t => {
  const { got, pass, reconnect, publish, server, entries } = await startListener(t);
  for (const n of [7, 8, 9]) publish(n);
  // It has forgotten the last two, and goes on counting from what it knows.
  entries.splice(1);
  server.runId = 'two';
  await reconnect();
  await pass(0);
  publish(7, true, 'another', 1);
  publish(7, true, 'one more', 2);
  const expected = ['packet 7', 'packet 8', 'packet 9', 'packet 7', 'another', 'one more'];
  assert.deepEqual(got, expected);
});
