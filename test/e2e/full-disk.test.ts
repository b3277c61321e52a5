/** A nats-server whose disk is full, on a small file system of its own: who may not mount one skips this. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNatsOnSmallDisk } from '../../testkit/nats.ts';
import { chat, errorOf, post, readChat, startStack, waitFor } from '../../testkit/stack.ts';

const MEGABYTE = 1024 * 1024;

test('a full disk of NATS is told, refused at the door, and over after room and a restart', async t => {
  await using nats = await startNatsOnSmallDisk(16);
  if (nats === null) return t.skip('a file system of 16 MB cannot be mounted here (that takes root)');
  await using stack = await startStack({
    natsUrl: nats.url,
    engines: [{ profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_QUEUE_MAX_BYTES: String(8 * MEGABYTE) },
  });
  await nats.fill();
  const ask = () => post(stack, '/v1/chat/completions', chat('a'.repeat(100_000), { max_tokens: 2 }));
  await waitFor(async () => (await ask()).status === 503);
  const ready = await fetch(`${stack.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /stores nothing: its disk is or was full; make room, then restart it/);
  const refused = await ask();
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal((await errorOf(refused)).code, 'broker_unavailable');
  assert.ok(stack.ingress.output.some(line => line.includes('the queue takes no requests')));
  await nats.clear();
  await nats.restart();
  await waitFor(async () => (await fetch(`${stack.url}/readyz`)).ok);
  assert.ok((await readChat(stack, chat('once more', { max_tokens: 2 }))).done);
});
