import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHUNK, FeedRoom, type Place, Semaphore } from './feed-room.ts';

const WINDOW = 512;
const MIB = 1024 * 1024;

/** Queues chunk after chunk while it may. */
function fill(place: Place, bytesEach = 1000): Place {
  while (place.fits(CHUNK.lines)) for (let i = 0; i < CHUNK.lines; i++) place.take(bytesEach);
  return place;
}

test('a single batch may use its whole window', () => {
  assert.equal(fill(new FeedRoom(WINDOW).enter('a')).lines, WINDOW);
  assert.equal(
    fill(new FeedRoom(16).enter('a')).lines,
    CHUNK.lines,
    'something may be queued where nothing is',
  );
});

test('batches that make no progress leave room for others, and the total stays bounded', () => {
  const room = new FeedRoom(WINDOW);
  const stuck = Array.from({ length: 63 }, () => fill(room.enter('a')));
  const late = fill(room.enter('a'));
  assert.ok(late.lines >= CHUNK.lines);
  const [fifth] = stuck.slice(4);
  assert.ok((fifth?.lines ?? 0) > WINDOW / 2);
  const all = stuck.reduce((sum, { lines }) => sum + lines, late.lines);
  assert.ok(all < 20 * WINDOW, `${all} lines`);
});

test('the longest lines of many batches do not fill the broker', () => {
  const room = new FeedRoom(WINDOW);
  const places = Array.from({ length: 64 }, () => fill(room.enter('a'), CHUNK.bytes / CHUNK.lines));
  const bytes = places.reduce((sum, place) => sum + place.bytes, 0);
  assert.ok(bytes <= 512 * MIB, `${bytes / MIB} MiB`);
});

test('room that was returned or left by a finished batch is free again', () => {
  const room = new FeedRoom(WINDOW);
  const places = Array.from({ length: 4 }, () => fill(room.enter('a')));
  for (const place of places.slice(1)) place.leave();
  places[0]?.giveBack(1000);
  assert.equal(places[0]?.fits(1), true);
  assert.equal(fill(room.enter('a')).lines, WINDOW);
});

test('a tenant whose batches keep all they can get leaves room to another one', () => {
  const room = new FeedRoom(WINDOW);
  const stuck = Array.from({ length: 200 }, () => fill(room.enter('a')));
  assert.ok(stuck.reduce((sum, { lines }) => sum + lines, 0) < 20 * WINDOW);
  assert.equal(stuck.at(-1)?.lines, 0);
  assert.ok(fill(room.enter('b')).lines >= CHUNK.lines);
});

test('turns are taken in order, and released by a caller that fails', async () => {
  const turns = new Semaphore(1);
  const seen: number[] = [];
  const first = turns.take(async () => {
    await new Promise(resolve => setImmediate(resolve));
    throw new Error('it failed');
  });
  const others = [1, 2, 3].map(i => turns.take(async () => seen.push(i)));
  await assert.rejects(first, /it failed/);
  await Promise.all(others);
  assert.deepEqual(seen, [1, 2, 3]);
});
