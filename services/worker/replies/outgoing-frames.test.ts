import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '@penstock/protocol';
import { OutgoingFrames } from './outgoing-frames.ts';

const frames = () => new OutgoingFrames({ id: 'r1', attempt: 1, nonce: 7 }, { ack: 'a' });
const final = (kind: 'end' | 'failed' | 'result', body = '') =>
  ({ kind, meta: '', body: Buffer.from(body) }) as const;

/** What is taken with that much room each time, until nothing is left. */
function taken(outgoing: OutgoingFrames, room: number): string[][] {
  const takes: string[][] = [];
  let seq = 0;
  for (let isMore = true; isMore; ) {
    const into: Frame[] = [];
    isMore = outgoing.take(into, room);
    for (const frame of into) assert.equal(frame.seq, seq++, 'one after the other');
    assert.ok(into.reduce((bytes, { body }) => bytes + body.length, 0) <= room);
    takes.push(into.map(({ kind, body }) => `${kind} ${body}`));
  }
  return takes;
}

test('what fits is taken at once, with the last events in its end', () => {
  const outgoing = frames();
  outgoing.add(Buffer.from('ab'));
  outgoing.add(Buffer.from('cd'));
  assert.deepEqual(taken(outgoing, 100), [['accepted ', 'events abcd']]);
  outgoing.add(Buffer.from('ef'));
  outgoing.end(final('end'));
  const into: Frame[] = [];
  assert.equal(outgoing.take(into, 100), false);
  assert.deepEqual(
    into.map(({ kind, seq, body }) => `${kind} ${seq} ${body}`),
    ['end 2 ef'],
  );
});

test('a body that does not fit is sent in parts, and its frame with the last one', () => {
  const outgoing = frames();
  outgoing.end(final('result', '0123456789'));
  assert.equal(outgoing.waitingBytes, 10);
  assert.deepEqual(taken(outgoing, 4), [['accepted ', 'part 0123'], ['part 4567'], ['result 89']]);
  assert.equal(outgoing.waitingBytes, 0);
});

test('events of a long answer stay before its end, and in order while more come', () => {
  const outgoing = frames();
  outgoing.add(Buffer.from('012345'));
  const into: Frame[] = [];
  assert.equal(outgoing.take(into, 4), true);
  outgoing.add(Buffer.from('6789'));
  outgoing.end(final('failed'));
  assert.equal(outgoing.take(into, 4), true);
  assert.equal(outgoing.take(into, 4), false);
  assert.deepEqual(
    into.map(({ kind, body }) => `${kind} ${body}`),
    ['accepted ', 'part 0123', 'events 45', 'part 67', 'events 89', 'failed '],
  );
});

test('nothing is left of what was cleared, and what follows counts on', () => {
  const outgoing = frames();
  outgoing.add(Buffer.from('0123456789'));
  const into: Frame[] = [];
  outgoing.take(into, 4);
  outgoing.clear();
  assert.equal(outgoing.waitingBytes, 0);
  outgoing.end(final('failed'));
  assert.equal(outgoing.take(into, 4), false);
  assert.deepEqual([into.at(-1)?.kind, into.at(-1)?.seq], ['failed', 2]);
});
