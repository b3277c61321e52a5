/** All services are replaced one after another under load, as an orchestrator does it: no client notices. */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { API_KEY, chat, startStack, waitFor } from '../../testkit/stack.ts';

/** More than whoever follows `/readyz` takes to notice. */
const LAME_DUCK_MS = 1000;
const LOOK_MS = 50;
const CLIENTS = 8;

/** Sends each request to a node that was ready a moment ago, by connections that are kept, as a load balancer does. */
function startBalancer(urls: readonly string[]) {
  const ready = new Set(urls);
  const agent = new Agent({ keepAlive: true });
  const look = async (url: string) => {
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok === true) ready.add(url);
    else ready.delete(url);
  };
  const looking = setInterval(() => urls.forEach(url => void look(url)), LOOK_MS);
  let turn = 0;
  return {
    ready,
    /** @returns the whole answer. @throws where there is none, or it breaks off. */
    async send(body: object): Promise<{ status: number; text: string }> {
      // On a busy machine both may be not ready for a moment: what has no node yet waits for one.
      await waitFor(() => ready.size > 0);
      const all = [...ready];
      const url = all[turn++ % all.length] ?? '';
      const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
      const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
      const sent = request(`${url}/v1/chat/completions`, { method: 'POST', agent, headers }, answer => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
      return promise;
    },
    stop() {
      clearInterval(looking);
      agent.destroy();
    },
  };
}

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
      const got = await balancer.send(body).catch((err: Error) => ({ status: 0, text: err.message }));
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
