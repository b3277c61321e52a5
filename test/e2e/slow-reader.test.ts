/** A client that stops reading costs a bounded amount of memory and no slot. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { API_KEY, chat, post, startStack, waitFor } from '../../testkit/stack.ts';

/** Some 40 MB of events: far beyond what sockets and the ingress together may hold. */
const TOKENS = 200_000;

test('a stream nobody reads is cut off at its bound, and others go on', async () => {
  await using stack = await startStack({ engines: [{ profile: 'instant' }] });
  const body = JSON.stringify(chat('endless', { stream: true, max_tokens: TOKENS }));
  const { hostname, port } = new URL(stack.url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  let gone = false;
  socket
    .on('error', () => {})
    .on('close', () => {
      gone = true;
    });
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const open = async () => {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    return Number(/penstock_open_requests (\d+)/.exec(text)?.[1]);
  };
  await waitFor(() => stack.engines[0]?.stats().started === 1);
  await waitFor(async () => (await open()) === 0);
  assert.equal((await post(stack, '/v1/chat/completions', chat('others', { max_tokens: 4 }))).status, 200);
  assert.equal(stack.engines[0]?.stats().running, 0);
  const rssMb =
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${stack.ingress.pid}/status`, 'utf8'))?.[1]) / 1024;
  assert.ok(rssMb < 400, `${rssMb} MB`);
  // What the kernel still holds may be read; then the connection ends without the end of the stream.
  let tail = '';
  socket.on('data', chunk => {
    tail = (tail + chunk.toString('latin1')).slice(-40);
  });
  socket.resume();
  await waitFor(() => gone);
  assert.ok(!tail.includes('[DONE]'));
});
