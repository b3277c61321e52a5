import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
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

/** A receiver that speaks for itself. @param speak what it sends once it was asked; called again as fast as it is taken where it returns true. */
async function startRaw(speak: (socket: Socket, asked: string) => void) {
  const sockets = new Set<Socket>();
  const raw = createTcpServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', asked => speak(socket, String(asked)));
  });
  await new Promise<void>(resolve => raw.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(raw.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => raw.close(resolve));
    },
  };
}

test('a receiver that drips, floods or breaks its headers is given up in time, and takes no memory', async () => {
  const flood = (piece: string) => (socket: Socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
  };
  const drip = (socket: Socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write('x-a: b\r\n'), 20);
    socket.on('close', () => clearInterval(timer));
  };
  const once = (text: string) => (socket: Socket) => void socket.write(text);
  const receivers: readonly (readonly [about: string, speak: (socket: Socket) => void])[] = [
    ['drips headers', drip],
    ['headers without end', flood(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(10_000)}`)],
    ['one header without end', flood(`HTTP/1.1 200 OK\r\nx-a: ${'b'.repeat(100_000)}`)],
    ['only hints', flood('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')],
    [
      'another protocol',
      once('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    ],
    ['no HTTP', once('220 smtp.example ESMTP\r\n')],
    ['two lengths', once('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')],
  ];
  for (const [about, speak] of receivers) {
    await using receiver = await startRaw(speak);
    const before = process.memoryUsage().rss;
    const from = performance.now();
    const outcome = await post(receiver.url, { timeoutMs: 500 });
    assert.equal(outcome.kind, 'unanswered', `${about}: ${JSON.stringify(outcome)}`);
    assert.ok(performance.now() - from < 20_000, about);
    assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024, about);
  }
});

test('what a receiver echoes goes nowhere: of its answer counts the status, and when to try again', async () => {
  const secret = 'whsec_the-signature-of-this-event';
  const echo = (socket: Socket, asked: string) => {
    const back = Buffer.from(asked).toString('base64');
    socket.end(
      `HTTP/1.1 500 ${secret}\r\nx-echo: ${back}\r\nset-cookie: ${secret}\r\nlocation: /${secret}\r\nretry-after: ${secret}\r\ncontent-length: ${asked.length}\r\n\r\n${asked}`,
    );
  };
  await using receiver = await startRaw(echo);
  const headers = { 'webhook-signature': secret };
  const outcome = await new GuardedPoster({ allow, timeoutMs: 5000 }).post(receiver.url, headers, '{}');
  assert.deepEqual(outcome, { kind: 'answered', status: 500, retryAfter: null });
  for (const time of ['120', 'Wed, 21 Oct 2026 07:28:00 GMT', 'Wednesday, 21-Oct-26 07:28:00 GMT']) {
    const later = (socket: Socket) =>
      void socket.end(`HTTP/1.1 503 x\r\nretry-after: ${time}\r\ncontent-length: 0\r\n\r\n`);
    await using other = await startRaw(later);
    assert.deepEqual(await post(other.url), { kind: 'answered', status: 503, retryAfter: time });
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
