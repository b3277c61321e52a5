/** What every store of request bodies promises. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { RequestBodies } from '../ports/queue/request-bodies.ts';

async function ids(store: RequestBodies): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of store.list()) found.push(id);
  return found.sort();
}

export function testRequestBodies(subject: () => RequestBodies): void {
  test('a body is read as it was put, whole or as a stream', async () => {
    const store = subject();
    for (const size of [1, 70_000, 3_000_000]) {
      const body = randomBytes(size);
      const digest = createHash('sha256').update(body).digest('hex');
      assert.deepEqual(await store.put('r1', body, 'p'), { digest, bytes: size });
      assert.ok((await store.read('r1', { digest, bytes: size })).equals(body));
      const pieces = [body.subarray(0, size / 2), body.subarray(size / 2)];
      assert.deepEqual(await store.put('r2', Readable.from(pieces), 'p'), { digest, bytes: size });
      assert.ok((await store.read('r2', { digest, bytes: size })).equals(body));
      const opened = await store.open('r2', { digest, bytes: size });
      assert.ok(Buffer.concat(await opened.toArray()).equals(body));
    }
  });
  test('equal bodies of two requests do not take each other along', async () => {
    const store = subject();
    const claim = await store.put('r1', Buffer.from('same'), 'p');
    await store.put('r2', Buffer.from('same'), 'p');
    await store.drop('r1');
    await assert.rejects(store.read('r1', claim), { code: 'body_unavailable' });
    assert.equal(String(await store.read('r2', claim)), 'same');
    assert.deepEqual(await ids(store), ['r2']);
    await store.drop('r1');
  });
  test('another body than was put is told from it', async () => {
    const store = subject();
    const claim = await store.put('r3', Buffer.from('as sent'), 'p');
    for (const other of ['as Sent', 'as', 'as sent, and more'])
      await assert.rejects(
        store.put('r3', Buffer.from(other), 'p').then(() => store.read('r3', claim)),
        { code: 'body_unavailable', message: /damaged/ },
      );
    const long = await store.put('r3', Buffer.alloc(3_000_000, 'a'), 'p');
    for (const other of [Buffer.alloc(3_000_000, 'b'), Buffer.alloc(2_000_000), Buffer.alloc(4_000_000)]) {
      await store.put('r3', other, 'p');
      let came = 0;
      const whole = async () => {
        for await (const piece of await store.open('r3', long)) came += piece.length;
      };
      await assert.rejects(whole(), { code: 'body_unavailable', message: /damaged/ });
      assert.ok(came < long.bytes, 'an engine must not take it for whole');
    }
    await store.put('r3', Buffer.from('as sent, and more'), 'p');
  });
  test('one that is not there names what to set', async () => {
    const store = subject();
    await assert.rejects(store.read('r9', { digest: '0'.repeat(64), bytes: 1 }), {
      code: 'body_unavailable',
      message: /PENSTOCK_FILES_DIR.*PENSTOCK_FILES_S3_BUCKET/,
    });
    await assert.rejects(store.open('r9', { digest: '0'.repeat(64), bytes: 1 }), {
      code: 'body_unavailable',
    });
  });
  test('what breaks off leaves nothing', async () => {
    const store = subject();
    const broken = Readable.from(
      (async function* () {
        yield randomBytes(100_000);
        throw new Error('broken off');
      })(),
    );
    await assert.rejects(store.put('r4', broken, 'p'), /broken off/);
    assert.deepEqual(await ids(store), ['r2', 'r3']);
  });
  test('an id that is no token is refused', async () => {
    const store = subject();
    await assert.rejects(async () => store.put('../x', Buffer.from('x'), 'p'), TypeError);
  });
  test('what was dropped is not listed', async () => {
    const store = subject();
    for (const id of ['r2', 'r3', 'r9']) await store.drop(id);
    assert.deepEqual(await ids(store), []);
  });
}
