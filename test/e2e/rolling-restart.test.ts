/** All services are replaced one after another under load, as an orchestrator does it: no client notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBalancer } from '../../testkit/network/balancer.ts';
import { chat, startStack, waitFor } from '../../testkit/stack.ts';

/** More than whoever follows `/readyz` takes to notice. */
const LAME_DUCK_MS = 1000;
const CLIENTS = 8;

test('a rolling restart of ingress nodes, workers and tasks under load fails no request and breaks no stream', async t => {
  await using stack = await startStack({
    engines: [{}, {}],
    tasksEnv: {},
    ingressEnv: { PENSTOCK_LAME_DUCK_MS: String(LAME_DUCK_MS) },
  });
  const second = await stack.addIngress('in-2');
  const balancer = startBalancer([stack.url, second.url]);
  t.after(() => balancer.stop());
  const failed: unknown[] = [];
  let isOver = false;
  let answered = 0;
  const client = async (index: number) => {
    const isStream = index % 2 === 0;
    while (!isOver) {
      // Every other client streams, for longer than a node waits for those who send requests.
      const body = chat(`roll ${index}`, { max_tokens: isStream ? 150 : 5, stream: isStream });
      const got = await balancer
        .send('/v1/chat/completions', body)
        .catch((err: Error) => ({ status: 0, text: err.message }));
      if (got.status === 200 && (!isStream || got.text.includes('data: [DONE]'))) answered++;
      else failed.push(got);
      await sleep(10);
    }
  };
  const load = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
  await waitFor(() => answered > CLIENTS);
  await Promise.all([stack.ingress.stop(), stack.tasks[0]?.stop()]);
  await stack.startIngress();
  await waitFor(() => balancer.ready.size === 2);
  await Promise.all([second.process.stop(), stack.workers[0]?.stop()]);
  await Promise.all([stack.startWorker(0), stack.addIngress('in-2', second.port)]);
  isOver = true;
  await load;
  assert.deepEqual(failed, []);
});
