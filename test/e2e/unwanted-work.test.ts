/** Work that nobody wants any more stops, also where nobody could say so: its ingress died, or a cancel was lost on the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFaultyProxy } from '../../testkit/network/faulty-proxy.ts';
import { API_KEY, chat, post, startStack, waitFor } from '../../testkit/stack.ts';

/** Far more than an engine says in the time of a test. */
const LONG = { max_tokens: 20_000 };
const PACED = { profile: 'dense-8b-h100' };

test('engines stop working for the clients of an ingress that died', async () => {
  await using stack = await startStack({ engines: [PACED] });
  const [engine] = stack.engines;
  assert.ok(engine);
  const streams = Array.from({ length: 5 }, (_, i) =>
    post(stack, '/v1/chat/completions', { ...chat(`orphan ${i}`, LONG), stream: true })
      .then(answer => answer.text())
      .catch(() => 'cut off'),
  );
  await waitFor(() => engine.stats().running === 5);
  stack.ingress.kill('SIGKILL');
  assert.deepEqual([...new Set(await Promise.all(streams))], ['cut off']);
  await waitFor(() => engine.stats().running === 0);
  const { started } = engine.stats();
  await stack.startIngress();
  await waitFor(async () => (await post(stack, '/v1/chat/completions', chat('next', { max_tokens: 1 }))).ok);
  assert.equal(engine.stats().started, started + 1, 'nothing of it is begun anew');
});

test('a cancel that does not reach the worker is learned of from the record', async () => {
  await using stack = await startStack({ engines: [PACED] });
  await using proxy = await startFaultyProxy(stack.nats.url);
  const [engine] = stack.engines;
  const [first] = stack.workers;
  assert.ok(engine && first);
  await first.stop();
  await stack.startWorker(0, 'w-2', { PENSTOCK_NATS_URL: proxy.url });
  const accepted = await post(stack, '/v1/chat/completions', chat('job', LONG), {
    headers: { prefer: 'respond-async' },
  });
  const { id } = (await accepted.json()) as { id: string };
  await waitFor(() => engine.stats().running === 1);
  proxy.silence();
  const headers = { authorization: `Bearer ${API_KEY}` };
  const cancelled = await fetch(`${stack.url}/v1/jobs/${id}`, { method: 'DELETE', headers });
  assert.equal(cancelled.status, 200);
  await waitFor(() => engine.stats().running === 0);
});
