/** A client that stops reading costs a bounded amount of memory and no slot. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { API_KEY, chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

/** Some 40 MB of events: far beyond what sockets and the ingress together may hold. */
const TOKENS = 200_000;

/** A client that asks and reads nothing. */
function neverReading(url: string, request: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.on('error', () => {});
  socket.write(request);
  return socket;
}

function postOf(body: string): string {
  return (
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

function rssMbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function openAt({ url }: Stack): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/penstock_open_requests (\d+)/.exec(text)?.[1]);
}

test('answers that nobody reads, stored ones too, take a bounded amount of memory together, and others are answered', async () => {
  const answer = JSON.stringify({
    ...{ id: 'x', object: 'chat.completion', created: 1, model: 'scripted', pad: 'b'.repeat(20_000_000) },
    choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  });
  await using engines = new AsyncDisposableStack();
  const engine = await startScriptedEngine(async function* () {
    yield answer;
  });
  engines.defer(() => engine.close());
  await using stack = await startStack({ engineUrls: [engine.url] });
  const job = await post(stack, '/v1/chat/completions', chat('one', { model: 'scripted' }), {
    headers: { prefer: 'respond-async, wait=30' },
  });
  await job.arrayBuffer();
  const path = `/v1/jobs/${job.headers.get('x-penstock-job')}`;
  const get = `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n\r\n`;
  const asked = postOf(JSON.stringify(chat('never read', { model: 'scripted' })));
  const sockets = Array.from({ length: 24 }, (_, i) => neverReading(stack.url, i % 2 === 0 ? asked : get));
  let closed = 0;
  for (const socket of sockets) socket.on('close', () => void closed++);
  let peakMb = 0;
  // Those beyond the bound are cut off or refused while the others wait for their readers.
  await waitFor(async () => {
    peakMb = Math.max(peakMb, rssMbOf(stack.ingress.pid));
    return engine.calls.length >= 13;
  });
  for (let i = 0; i < 10; i++) {
    const response = await fetch(`${stack.url}/v1/models`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    assert.equal(response.status, 200);
    peakMb = Math.max(peakMb, rssMbOf(stack.ingress.pid));
  }
  await waitFor(async () => {
    peakMb = Math.max(peakMb, rssMbOf(stack.ingress.pid));
    return (await openAt(stack)) === 0;
  });
  assert.ok(peakMb < 512, `${peakMb} MB`);
  for (const socket of sockets) socket.destroy();
});

test('a stream nobody reads is cut off at its bound, and others go on', async t => {
  await using stack = await startStack({ engines: [{ profile: 'instant' }] });
  const body = JSON.stringify(chat('endless', { stream: true, max_tokens: TOKENS }));
  const socket = neverReading(stack.url, postOf(body));
  let [gone, tail] = [false, ''];
  socket.on('close', () => {
    gone = true;
  });
  await waitFor(() => stack.engines[0]?.stats().started === 1);
  await waitFor(async () => (await openAt(stack)) === 0);
  assert.equal((await post(stack, '/v1/chat/completions', chat('others', { max_tokens: 4 }))).status, 200);
  assert.equal(stack.engines[0]?.stats().running, 0);
  const rssMb = rssMbOf(stack.ingress.pid);
  assert.ok(rssMb < 400, `${rssMb} MB`);
  // What the kernel still holds may be read; then the connection ends without the end of the stream.
  socket.on('data', chunk => {
    tail = (tail + chunk.toString('latin1')).slice(-400);
  });
  t.after(() => t.diagnostic(`${socket.bytesRead} bytes came, at last ${JSON.stringify(tail)}`));
  socket.resume();
  await waitFor(() => gone);
  assert.ok(!tail.includes('[DONE]'));
});
