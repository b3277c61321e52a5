import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { readAllowList } from './egress-guard.ts';
import { GuardedPoster } from './guarded-poster.ts';

const hosts: (string | undefined)[] = [];
const server: Server = createServer((request, response) => {
  hosts.push(request.headers.host);
  const path = request.url ?? '';
  if (path === '/hang') return;
  if (path === '/redirect') return response.writeHead(302, { location: '/ok' }).end();
  if (path === '/later') return response.writeHead(429, { 'retry-after': '7' }).end();
  if (path === '/cut') return request.socket.destroy();
  if (path === '/flood') {
    response.writeHead(200);
    const write = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', write);
    return write();
  }
  response.writeHead(200);
  if (path === '/drip') return response.write('x');
  response.end('ok');
});
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
after(() => server.closeAllConnections());
after(() => server.close());

const allow = readAllowList('127.0.0.1');
const post = (url: string, options: object = {}) =>
  new GuardedPoster({ allow, timeoutMs: 5000, ...options }).post(url, {}, '{}');
const here = `http://127.0.0.1:${port}`;

test('the status is the outcome; redirects are not followed; Retry-After is handed on', async () => {
  assert.deepEqual(await post(`${here}/ok`), { kind: 'answered', status: 200, retryAfter: null });
  hosts.length = 0;
  assert.deepEqual(await post(`${here}/redirect`), { kind: 'answered', status: 302, retryAfter: null });
  assert.equal(hosts.length, 1);
  assert.deepEqual(await post(`${here}/later`), { kind: 'answered', status: 429, retryAfter: '7' });
});

test('no answer, by cause', async () => {
  assert.deepEqual(await post(`${here}/hang`, { timeoutMs: 200 }), { kind: 'unanswered', reason: 'timeout' });
  assert.deepEqual(await post(`${here}/cut`), { kind: 'unanswered', reason: 'connection_lost' });
  assert.deepEqual(await post('http://127.0.0.1:1/'), { kind: 'unanswered', reason: 'connection_refused' });
  assert.deepEqual(await post(here.replace('http', 'https')), { kind: 'unanswered', reason: 'tls_failed' });
  const lost = { resolve: () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })) };
  assert.deepEqual(await post('https://a.example', lost), { kind: 'unanswered', reason: 'name_not_found' });
  const silent = { resolve: () => new Promise(() => {}), timeoutMs: 100 };
  assert.deepEqual(await post('https://a.example', silent), { kind: 'unanswered', reason: 'timeout' });
});

test('a body without end is not read to its end', async () => {
  for (const path of ['/flood', '/drip']) {
    const from = performance.now();
    const outcome = await post(here + path, { timeoutMs: 120_000 });
    assert.deepEqual(outcome, { kind: 'answered', status: 200, retryAfter: null });
    assert.ok(performance.now() - from < 60_000, `${path}: it does not wait for the limit of the attempt`);
  }
});

test('refused addresses are never dialed', async () => {
  hosts.length = 0;
  const refused = { kind: 'unanswered', reason: 'address_refused' };
  assert.deepEqual(await post(`http://localhost:${port}/`), refused);
  assert.deepEqual(await post(`https://[::ffff:127.0.0.1]:${port}/`), refused);
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
  assert.deepEqual(await post('https://a.example', { allow: [], resolve }), refused);
  assert.equal(hosts.length, 0);
});

test('the connection goes to the judged address, under the name of the URL, whatever the name means a moment later', async () => {
  hosts.length = 0;
  let looks = 0;
  const resolve = async () => [{ address: looks++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
  const named = readAllowList('hooks.internal');
  const outcome = await post(`http://hooks.internal:${port}/ok`, { allow: named, resolve });
  assert.deepEqual(outcome, { kind: 'answered', status: 200, retryAfter: null });
  assert.deepEqual(hosts, [`hooks.internal:${port}`]);
  assert.equal(looks, 1);
});
