import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { whenReady } from './ready.ts';

type Said = readonly [status: number, body: object];
const NO_CHAT: Said = [404, { error: { code: 'endpoint_not_found' } }];
const NOT_YET: Said = [503, { error: { code: 'workers_not_known' } }];
const listOf = (...ids: string[]): Said => [200, { data: ids.map(id => ({ id })) }];

/** Says one after the other at each path; the last again and again. */
async function stack(script: Record<string, Said[]>) {
  const server = createServer((request, response) => {
    const left = script[request.url ?? ''] ?? [[200, {}]];
    const [status, body] = (left.length > 1 ? left.shift() : left[0]) ?? [200, {}];
    request.resume().on('end', () => response.writeHead(status).end(JSON.stringify(body)));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...{ url, console: `${url}/console` },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('a stack is ready once a model has answered, not when it is listed, and its console listens', async () => {
  const chat: Said[] = [
    [503, {}],
    [502, {}],
    [200, {}],
  ];
  const consoles: Said[] = [
    [503, {}],
    [200, {}],
  ];
  await using it = await stack({
    '/readyz': [
      [503, {}],
      [200, {}],
    ],
    '/console/readyz': consoles,
    '/v1/models': [NOT_YET, listOf(), listOf('other', 'sim-chat')],
    '/v1/chat/completions': chat,
  });
  assert.deepEqual(await whenReady(it, 'k', { limitMs: 60_000 }), { model: 'sim-chat' });
  assert.deepEqual([chat.length, consoles.length], [1, 1]);
});

test('a model that does not chat is passed over, and is enough where there is no other', async () => {
  await using mixed = await stack({
    '/v1/models': [listOf('embed', 'chat')],
    '/v1/chat/completions': [NO_CHAT, [200, {}]],
  });
  assert.deepEqual(await whenReady(mixed, 'k', { limitMs: 60_000 }), { model: 'chat' });
  await using embedding = await stack({ '/v1/models': [listOf('embed')], '/v1/chat/completions': [NO_CHAT] });
  assert.deepEqual(await whenReady(embedding, 'k', { limitMs: 60_000 }), { model: 'embed' });
});

test('a model that is listed although its engine is gone keeps no other from being ready', async t => {
  const { timeout } = AbortSignal;
  for (const lists of [[listOf('gone', 'm')], [listOf('gone'), listOf('m')]]) {
    // The time of the first is over at once.
    const limits = [0];
    t.mock.method(AbortSignal, 'timeout', (ms: number) =>
      limits.pop() === 0 ? AbortSignal.abort() : timeout.call(AbortSignal, ms),
    );
    await using it = await stack({ '/v1/models': lists });
    assert.deepEqual(await whenReady(it, 'k', { limitMs: 60_000 }), { model: 'm' });
    t.mock.restoreAll();
  }
});

test('a stack that never answers is not ready', async () => {
  await using it = await stack({ '/v1/models': [listOf('m')], '/v1/chat/completions': [[502, {}]] });
  assert.equal(await whenReady(it, 'k', { limitMs: 300 }), null);
});

test('an engine that loads for longer than the limit is waited for, and it is said once why', async () => {
  const late: string[] = [];
  const noted: string[] = [];
  let looks = 0;
  const lists: Said[] = [listOf()];
  await using it = await stack({ '/v1/models': lists });
  const engines = async () => {
    looks++;
    // The engine is loaded after the limit.
    if (looks > 1 && late.length > 0) lists.push(listOf('big'));
    return 'it is still loading';
  };
  const report = { note: (text: string) => noted.push(text), onLate: (text: string) => late.push(text) };
  assert.deepEqual(await whenReady(it, 'k', { limitMs: 1, engines, ...report }), { model: 'big' });
  assert.deepEqual([late, noted[0]], [['it is still loading'], 'it is still loading']);
});

test('an engine that answers wrongly, or a stack that does not, is not waited for any longer because of slow engines', async () => {
  const engines = async () => null;
  await using wrong = await stack({ '/v1/models': [listOf('m')], '/v1/chat/completions': [[401, {}]] });
  assert.equal(await whenReady(wrong, 'k', { limitMs: 300, engines }), null);
  await using down = await stack({ '/readyz': [[503, {}]] });
  assert.equal(await whenReady(down, 'k', { limitMs: 300, engines }), null);
});

test('who waits for an engine can stop at once', async () => {
  const stopped = new AbortController();
  await using it = await stack({ '/v1/models': [listOf()] });
  const note = () => stopped.abort();
  const { signal } = stopped;
  assert.equal(await whenReady(it, 'k', { limitMs: 60_000, engines: async () => null, note, signal }), null);
});
