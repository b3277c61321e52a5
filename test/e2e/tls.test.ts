/** The API behind its own certificate, as clients of HTTP/1.1 and HTTP/2 see it, and an engine behind TLS that asks who comes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { buildEngine, type SimEngine } from '@penstock/engine-sim';
import OpenAI, { toFile } from 'openai';
import { Agent, install, fetch as undiciFetch } from 'undici';
import { Authority } from '../../testkit/network/certificates.ts';
import { freePort } from '../../testkit/ports.ts';
import { type ServiceProcess, startService } from '../../testkit/process.ts';
import { API_KEY, chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

// The client makes forms of the global classes, which have to be those of the `fetch` that sends them.
install();
const authority = new Authority();
const authorization = `Bearer ${API_KEY}`;
let parts: AsyncDisposableStack;
let dir: string;
let engine: SimEngine;
let stack: Stack;

before(async () => {
  parts = new AsyncDisposableStack();
  dir = parts.adopt(await mkdtemp(join(tmpdir(), 'penstock-tls-')), path => rm(path, { recursive: true }));
  engine = parts.adopt(buildEngine({}), sim => sim.close());
  await engine.listen(0);
  const engineUrl = await behindTls(Number(new URL(engine.url).port));
  const mine = authority.issue('worker');
  const tls = {
    PENSTOCK_ENGINE_CA: authority.ca,
    PENSTOCK_ENGINE_CERT: mine.cert,
    PENSTOCK_ENGINE_KEY: mine.key,
  };
  stack = parts.use(await startStack({ engineUrls: [engineUrl], workerEnv: tls }));
});
after(() => parts.disposeAsync());

/** A proxy that ends TLS and wants certificates of its clients. */
async function behindTls(port: number): Promise<string> {
  const options = {
    ...authority.issue('engine'),
    ca: authority.ca,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const server = createTlsServer(options, socket => {
    const behind = connectTcp(port, '127.0.0.1');
    socket.on('error', () => behind.destroy()).on('close', () => behind.destroy());
    behind.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(behind).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  parts.defer(() => void server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Node {
  readonly url: string;
  readonly port: number;
  readonly process: ServiceProcess;
  write(cert: string, key: string): Promise<void>;
}

async function startNode(name: string, more: Record<string, string> = {}): Promise<Node> {
  const port = await freePort();
  const [certFile, keyFile] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  const write = async (cert: string, key: string) => {
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
  };
  const { cert, key } = authority.issue(name);
  await write(cert, key);
  const env = {
    ...{ PENSTOCK_NATS_URL: stack.nats.url, PENSTOCK_REDIS_URL: stack.redis.url, PENSTOCK_INGRESS_ID: name },
    ...{ PENSTOCK_PORT: String(port), PENSTOCK_API_KEYS: API_KEY, PENSTOCK_FILES_DIR: stack.filesDir },
    ...{
      PENSTOCK_TLS_CERT_FILE: certFile,
      PENSTOCK_TLS_KEY_FILE: keyFile,
      PENSTOCK_LAME_DUCK_MS: '0',
      ...more,
    },
  };
  const process = await startService('ingress', env, {
    readyWhen: line => line.includes('ingress listening'),
  });
  parts.defer(() => process.stop());
  const url = `https://127.0.0.1:${port}`;
  const dispatcher = new Agent({ connect: { ca: authority.ca } });
  parts.defer(() => dispatcher.destroy());
  await waitFor(async () => (await undiciFetch(`${url}/readyz`, { dispatcher })).ok);
  return { url, port, process, write };
}

function clientOf({ url }: Node, allowH2: boolean): OpenAI {
  const dispatcher = new Agent({ allowH2, connect: { ca: authority.ca } });
  parts.defer(() => dispatcher.destroy());
  const through = (input: never, init: object) => undiciFetch(input, { ...init, dispatcher });
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: API_KEY, maxRetries: 0, fetch: through as never });
}

function session({ url }: Node): ClientHttp2Session {
  const made = connect(url, { ca: authority.ca });
  made.on('error', () => {});
  parts.defer(() => made.destroy());
  return made;
}

function ask(over: ClientHttp2Session, body: object): ClientHttp2Stream {
  const stream = over.request({
    ...{ ':method': 'POST', ':path': '/v1/chat/completions', authorization },
    'content-type': 'application/json',
  });
  stream.on('error', () => {});
  stream.end(JSON.stringify(body));
  return stream;
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
}

async function metricsOf({ url }: Node): Promise<string> {
  const dispatcher = new Agent({ connect: { ca: authority.ca } });
  const text = await (await undiciFetch(`${url}/metrics`, { dispatcher })).text();
  await dispatcher.destroy();
  return text;
}

/** Fingerprint of what a new connection is shown. */
async function shown({ port }: Node): Promise<string> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.ca });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

test('calls, streams, cancels and uploads, by HTTP/1.1 and by HTTP/2', async t => {
  const node = await startNode('in-tls');
  for (const allowH2 of [false, true])
    await t.test(allowH2 ? 'HTTP/2' : 'HTTP/1.1', async () => {
      const client = clientOf(node, allowH2);
      const messages = [{ role: 'user' as const, content: 'hello' }];
      const call = await client.chat.completions.create({ model: 'sim-chat', messages, max_tokens: 5 });
      assert.equal(call.usage?.completion_tokens, 5);
      const stream = await client.chat.completions.create({
        model: 'sim-chat',
        messages,
        max_tokens: 40,
        stream: true,
      });
      let chunks = 0;
      for await (const { choices } of stream) if (choices[0]?.delta.content) chunks += 1;
      assert.equal(chunks, 40);
      const large = [{ role: 'user' as const, content: 'word '.repeat(400_000) }];
      const tooLarge = client.chat.completions.create({ model: 'sim-chat', messages: large, max_tokens: 1 });
      await assert.rejects(tooLarge, /longer than the KV cache/, 'the engine has seen all of it');
      const bytes = Buffer.alloc(6_000_000, `${JSON.stringify({ a: 1 })}\n`);
      const file = await client.files.create({ file: await toFile(bytes, 'a.jsonl'), purpose: 'user_data' });
      assert.equal(file.bytes, bytes.length);
      assert.ok(Buffer.from(await (await client.files.content(file.id)).arrayBuffer()).equals(bytes));
      const { aborted } = engine.stats();
      const left = await client.chat.completions.create({
        model: 'sim-chat',
        messages,
        max_tokens: 50_000,
        stream: true,
      });
      for await (const _ of left) break;
      left.controller.abort();
      await waitFor(() => engine.stats().aborted === aborted + 1);
      // A node that has just started does not know yet what nobody serves.
      await waitFor(async () => {
        const asked = client.chat.completions.create({ model: 'nobody', messages });
        const status = await asked.then(
          () => 200,
          (err: { status?: number }) => err.status,
        );
        assert.ok(status === 404 || status === 503, `${status}`);
        return status === 404;
      });
    });
});

test('one connection of HTTP/2 carries many streams: each is cancelled, held and refused by itself', async () => {
  const node = await startNode('in-many');
  const over = session(node);
  const many = Array.from({ length: 50 }, () =>
    textOf(ask(over, chat('many', { stream: true, max_tokens: 20 }))),
  );
  for (const text of await Promise.all(many)) assert.match(text, /data: \[DONE\]/);

  const { aborted } = engine.stats();
  const kept = ask(over, chat('kept', { stream: true, max_tokens: 400 }));
  const left = ask(over, chat('left', { stream: true, max_tokens: 50_000 }));
  await once(left, 'data');
  left.close(constants.NGHTTP2_CANCEL);
  await waitFor(() => engine.stats().aborted === aborted + 1);
  assert.match(await textOf(kept), /data: \[DONE\]/);

  // A reader that stands still is cut off with a code that nobody takes for the end, and others of its connection are not.
  const slow = ask(over, { ...chat('slow', { stream: true, max_tokens: 60_000 }), model: 'sim-chat', n: 8 });
  slow.pause();
  await new Promise(resolve => slow.once('close', resolve));
  assert.equal(slow.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  assert.match(await textOf(ask(over, chat('after', { max_tokens: 2 }))), /"completion_tokens":2/);

  const refused = over.request({
    ...{ ':method': 'POST', ':path': '/v1/chat/completions', 'content-length': 5_000_000 },
    'content-type': 'application/json',
  });
  refused.on('error', () => {});
  const [headers] = await once(refused, 'response');
  assert.equal(headers[':status'], 401);
});

test('a node that leaves says so on each connection of HTTP/2, and ends what it has begun', async () => {
  const node = await startNode('in-leaves', { PENSTOCK_LAME_DUCK_MS: '1000' });
  const [idle, busy] = [session(node), session(node)];
  await once(idle, 'connect');
  const stream = ask(busy, chat('leaving', { stream: true, max_tokens: 200 }));
  await once(stream, 'response');
  const goodbyes = [idle, busy].map(each => once(each, 'goaway'));
  node.process.kill('SIGTERM');
  for (const [code] of await Promise.all(goodbyes)) assert.equal(code, constants.NGHTTP2_NO_ERROR);
  assert.match(await textOf(stream), /data: \[DONE\]/);
  await node.process.exited;
});

test('a new certificate is used for new connections; a broken one leaves the old one, in metric and log', async () => {
  const node = await startNode('in-renewed');
  const first = await shown(node);
  const over = session(node);
  const open = ask(over, chat('renewed', { stream: true, max_tokens: 300 }));
  await once(open, 'response');
  const begun = textOf(open);
  const other = authority.issue('in-renewed');
  await node.write(other.cert, authority.issue('stranger').key);
  await waitFor(async () => /penstock_tls_certificate_stale 1/.test(await metricsOf(node)));
  assert.equal(await shown(node), first);
  await waitFor(() => node.process.output.some(line => /PENSTOCK_TLS_KEY is not the key/.test(line)));
  assert.ok(node.process.output.every(line => !/BEGIN|PRIVATE/.test(line)));
  await node.write(other.cert, other.key);
  await waitFor(async () => (await shown(node)) !== first);
  assert.match(await metricsOf(node), /penstock_tls_certificate_stale 0/);
  assert.match(await begun, /data: \[DONE\]/);
});
