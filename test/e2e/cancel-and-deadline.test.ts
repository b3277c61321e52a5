/** A client that goes away stops its work; work past its deadline never reaches an engine. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, errorOf, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

let stack: Stack;
before(async () => {
  // One slot, so that a second request has to wait in the broker.
  stack = await startStack({ engines: [{ profile: 'dense-8b-h100' }], workerEnv: { PENSTOCK_SLOTS: '1' } });
});
after(() => stack[Symbol.asyncDispose]());

const engine = () => stack.engines[0]?.stats() ?? { running: -1, started: -1, aborted: -1 };

async function occupy(): Promise<AbortController> {
  const controller = new AbortController();
  const { started } = engine();
  void post(stack, '/v1/chat/completions', chat('long', { max_tokens: 5000, stream: true }), {
    signal: controller.signal,
  })
    .then(response => response.text())
    .catch(() => {});
  await waitFor(() => engine().started === started + 1 && engine().running === 1);
  return controller;
}

test('a client that leaves has its queued request purged, its running one aborted', async () => {
  const running = await occupy();
  const queued = new AbortController();
  const { started } = engine();
  const waiting = post(stack, '/v1/chat/completions', chat('queued'), { signal: queued.signal });
  await waitFor(async () =>
    /penstock_open_requests 2/.test(await (await fetch(`${stack.url}/metrics`)).text()),
  );
  queued.abort();
  await assert.rejects(waiting);
  await waitFor(async () =>
    /penstock_open_requests 1/.test(await (await fetch(`${stack.url}/metrics`)).text()),
  );
  running.abort();
  await waitFor(() => engine().running === 0);
  const next = await post(stack, '/v1/chat/completions', chat('next', { max_tokens: 3 }));
  assert.equal(next.status, 200);
  assert.equal(engine().started, started + 1, 'only the last one reached the engine');
});

test('past its deadline a request gets 504 and never starts', async () => {
  const running = await occupy();
  const { started } = engine();
  for (const headers of [{ 'x-request-timeout-ms': '300' }, { 'x-stainless-timeout': '1' }]) {
    const response = await post(stack, '/v1/chat/completions', chat('late'), { headers });
    assert.equal(response.status, 504);
    assert.equal((await errorOf(response)).code, 'deadline_exceeded');
  }
  running.abort();
  await waitFor(() => engine().running === 0);
  assert.equal((await post(stack, '/v1/chat/completions', chat('after', { max_tokens: 2 }))).status, 200);
  assert.equal(engine().started, started + 1);
});

test('a worker whose clock is days ahead does not take work for late', async () => {
  const ahead = 'data:text/javascript,const{now}=Date;Date.now=()=>now()+2e8';
  await using skewed = await startStack({ engines: [{}], workerEnv: { NODE_OPTIONS: `--import=${ahead}` } });
  for (const headers of [{}, { prefer: 'respond-async, wait=5' }] as Record<string, string>[]) {
    const init = { headers, signal: AbortSignal.timeout(60_000) };
    const response = await post(skewed, '/v1/chat/completions', chat('in time', { max_tokens: 2 }), init);
    assert.equal(response.status, 200);
  }
});

test('a stream that waits long gets its headers and comments early', async () => {
  await using slow = await startStack({
    engines: [{}],
    ingressEnv: { PENSTOCK_KEEPALIVE_MS: '1000' },
    workerEnv: { PENSTOCK_SLOTS: '1', PENSTOCK_FIRST_TOKEN_TIMEOUT_MS: '60000' },
  });
  slow.workers[0]?.kill('SIGSTOP');
  const response = await post(slow, '/v1/chat/completions', chat('wait', { stream: true, max_tokens: 3 }));
  assert.equal(response.status, 200);
  slow.workers[0]?.kill('SIGCONT');
  const text = await response.text();
  assert.match(text, /^: waiting\n\n/);
  assert.match(text, /data: \[DONE\]\n\n$/);
});
