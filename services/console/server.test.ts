/** The console over HTTP, on in-memory adapters: its page, its logins, its refusals. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ProjectUse } from '@penstock/access';
import { DroppedMessages } from '@penstock/runtime';
import { MemoryAuditLog, MemoryModelRegistry, MemoryWorkQueue } from '@penstock/transport/memory';
import { startConsole } from './console.ts';
import { loadAssets } from './http/assets.ts';

const KEY = 'an-admin-key-0001';
let laterMs = 0;
const clock = { now: () => Date.now(), monotonic: () => performance.now() + laterMs };
const useOf = (id: string, name: string | null, used: number): ProjectUse => ({
  ...{ id, name, refusedToday: {} },
  limits: [{ name: 'rpm_limit', model: null, most: 10, used, isEnforced: true }],
});
const IDLE = useOf('proj_idle', 'Idle', 1);
const queue = new MemoryWorkQueue(clock);
/** What the page of tenants is told; rejects where it is null. */
let uses: ProjectUse[] | null = [];
let looks = 0;
const tenants = {
  latest: async () => {
    looks++;
    return uses?.map(({ id }) => id) ?? Promise.reject(new Error('away'));
  },
  of: async (ids: readonly string[]) => [...(uses ?? []), IDLE].filter(({ id }) => ids.includes(id)),
};
const { app, start, stop } = await startConsole(
  {
    queue,
    registry: new MemoryModelRegistry(),
    audit: new MemoryAuditLog(),
    requests: { trails: { read: async () => [], latest: async () => [] }, runs: { read: async () => null } },
    webhooks: {
      endpoints: { get: async () => null, list: async () => [] },
      deliveries: { get: async () => null, list: async () => [], attempted: async () => {} },
      deliveryJobs: { again: async () => {} },
    },
    tenants,
    scaler: { state: async () => null, list: async () => [] },
    records: { batch: async () => null, openBatches: async () => [], updateBatch: async () => false },
    deadLetters: () => Promise.reject(new Error('none')),
  },
  {
    ...{ region: 'eu', shards: 1, adminKeys: [KEY], viewerKeys: [], sessionMs: 60_000 },
    ...{ plainHttp: false, targetTtftMs: 1000, priceOf: () => undefined },
  },
  { clock, dropped: new DroppedMessages(), log: { info() {}, error() {} }, nextId: () => 'abcdefgh' },
);
start();
after(async () => {
  stop();
  app.server.closeAllConnections();
  await app.close();
});

const logIn = (key: string, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url: '/api/session', payload: { key }, headers });
const cookieOf = (answer: Awaited<ReturnType<typeof logIn>>) =>
  String(answer.headers['set-cookie']).split(';')[0] ?? '';

test('the page and all of its files are less than 80 kB, and nothing of them is elsewhere', async () => {
  const page = await app.inject({ url: '/', headers: { 'accept-encoding': 'gzip' } });
  const { files } = loadAssets();
  const bytes = [...files.values()].reduce((sum, file) => sum + file.gzip.length, page.rawPayload.length);
  assert.ok(bytes < 80_000, `${bytes} bytes`);
  const text = gunzipSync(page.rawPayload).toString();
  const paths = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(match => match[1] ?? '');
  assert.ok(paths.length > 15 && !/<script>|<style|style=|\son\w+=/.test(text));
  for (const path of new Set(paths)) assert.equal((await app.inject({ url: path })).statusCode, 200, path);
  for (const { type, body } of files.values())
    if (type.startsWith('text/javascript')) {
      const imports = [...body.toString().matchAll(/\bfrom\s*["']([^"']+)["']/g)].map(
        match => match[1] ?? '',
      );
      assert.deepEqual(
        imports.filter(path => !path.startsWith('.')),
        [],
      );
    }
});

test('every answer forbids all that the page does not need, errors too', async () => {
  for (const url of ['/', '/api/live', '/nothing', '/api/session', '/livez']) {
    const { headers } = await app.inject({ url });
    assert.match(String(headers['content-security-policy']), /default-src 'none'; script-src 'self'/);
    assert.equal(/unsafe|\*|data:/.test(String(headers['content-security-policy'])), false);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
});

test('nothing is shown to who is not logged in, and a login is a cookie that scripts cannot read', async () => {
  assert.equal((await app.inject({ url: '/api/live' })).statusCode, 401);
  assert.deepEqual((await app.inject({ url: '/api/session' })).json(), { session: null });
  const answer = await logIn(KEY);
  assert.equal(answer.statusCode, 200);
  assert.match(String(answer.headers['set-cookie']), /; HttpOnly; SameSite=Strict; Secure$/);
  assert.equal(answer.body.includes(KEY) || String(answer.headers['set-cookie']).includes(KEY), false);
  const cookie = cookieOf(answer);
  const { session } = (await app.inject({ url: '/api/session', headers: { cookie } })).json();
  assert.equal(session.role, 'admin');
});

test('the live state comes as events', async () => {
  const cookie = cookieOf(await logIn(KEY));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const refused = await fetch(`${url}/api/live?hz=3`, { headers: { cookie } });
  assert.equal(refused.status, 400);
  const stopReading = new AbortController();
  const answer = await fetch(`${url}/api/live?hz=4`, { headers: { cookie }, signal: stopReading.signal });
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/);
  let text = '';
  for await (const part of answer.body ?? []) {
    text += Buffer.from(part).toString();
    if (/event: delta\nid: \w+\.\d+\ndata: \{"patch":\{.*\n\n/.test(text)) break;
  }
  assert.match(text, /^retry: 1000\n\nevent: snapshot\nid: abcdefgh\.\d+\ndata: \{"state":\{"region":"eu"/);
  stopReading.abort();
});

test('tenants are told the fullest first, fifty of them, and found by name, or by their whole id', async () => {
  const headers = { cookie: cookieOf(await logIn(KEY)) };
  const ask = async (find = '') => {
    laterMs += 2000;
    const answer = await app.inject({ url: `/api/tenants?find=${find}`, headers });
    const told = answer.json();
    return answer.statusCode === 200
      ? { ...told, ids: told.tenants.map((each: ProjectUse) => each.id) }
      : told;
  };
  assert.equal((await app.inject({ url: '/api/tenants' })).statusCode, 401);
  assert.deepEqual((await ask()).ids, []);
  uses = [useOf('proj_a', 'Alpha', 3), useOf('proj_b', 'Beta', 10), useOf('0123456789abcdef', null, 7)];
  assert.deepEqual((await ask()).ids, ['proj_b', '0123456789abcdef', 'proj_a']);
  assert.deepEqual((await ask('alph')).ids, ['proj_a']);
  assert.deepEqual((await ask('0123')).ids, ['0123456789abcdef']);
  assert.deepEqual([(await ask('proj_idle')).ids, (await ask('idle')).ids], [['proj_idle'], []]);
  uses = Array.from({ length: 60 }, (_, i) => useOf(`proj_${i}`, null, 1));
  const many = await ask();
  assert.deepEqual([many.ids.length, many.found, many.looked], [50, 60, 60]);
  const before = looks;
  await Promise.all([1, 2, 3].map(() => app.inject({ url: '/api/tenants', headers })));
  assert.equal(looks, before, 'however many pages are open');
  uses = null;
  assert.match((await ask()).error.message, /cannot be read now: is Redis there/);
  uses = [];
  assert.deepEqual(
    (await app.inject({ url: '/api/tenants', headers })).json().tenants,
    [],
    'asked again at once',
  );
});

test('a page of another origin can neither log in nor out', async () => {
  for (const headers of [
    { origin: 'https://elsewhere.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
  ] as Record<string, string>[]) {
    assert.equal((await logIn(KEY, headers)).statusCode, 403);
    assert.equal((await app.inject({ method: 'DELETE', url: '/api/session', headers })).statusCode, 403);
  }
  assert.equal((await logIn(KEY, { origin: 'http://localhost:80', host: 'localhost' })).statusCode, 200);
});

test('what cannot be understood is refused in words', async () => {
  for (const payload of ['{"key":', '{}', '{"key":7}', '[]', 'null']) {
    const headers = { 'content-type': 'application/json' };
    const answer = await app.inject({ method: 'POST', url: '/api/session', payload, headers });
    assert.equal(answer.statusCode, 400, payload);
    assert.ok(answer.json().error.message.length > 0);
  }
  assert.equal((await app.inject({ url: '/../../etc/passwd' })).statusCode, 404);
});

test('keys cannot be guessed: after ten wrong ones a right one has to wait too', async () => {
  for (let i = 0; i < 10; i++) assert.equal((await logIn(`a-wrong-key-${i}`)).statusCode, 401);
  assert.equal((await logIn(KEY)).statusCode, 429);
});
