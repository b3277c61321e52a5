/** Requests of one session stay with one worker while it keeps up; what decides by default is the model's architecture. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { slowDown } from '../../testkit/engines/slow-down.ts';
import { chat, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const KEYS = ['sk-penstock-test-key', 'sk-penstock-other-key'] as const;
const SESSIONS = Array.from({ length: 12 }, (_, i) => `session-${i}`);
/** About 8,000 tokens: a quarter of a second of prefill. */
const LONG = 'word '.repeat(6400);

let stack: Stack;
before(async () => {
  const dense = { profile: 'dense-8b-h100', models: ['sim-chat', 'sim-dense'] };
  const moe = { profile: 'moe-120b-h100x4', models: ['sim-moe'], timeScale: 4 };
  stack = await startStack({
    engines: [dense, dense, dense, moe, moe],
    ingressEnv: { PENSTOCK_AFFINITY: 'sim-chat=session', PENSTOCK_API_KEYS: KEYS.join() },
  });
});
after(() => stack[Symbol.asyncDispose]());

interface Asked {
  readonly session?: string;
  readonly key?: string;
  readonly body?: Record<string, unknown>;
}

async function workerOf(content: string, { session, key = KEYS[0], body = {} }: Asked = {}): Promise<string> {
  const response = await post(stack, '/v1/chat/completions', chat(content, { max_tokens: 2, ...body }), {
    headers: { authorization: `Bearer ${key}`, ...(session ? { 'x-session-affinity': session } : {}) },
  });
  assert.equal(response.status, 200, await response.text());
  return response.headers.get('x-penstock-worker') ?? '';
}

async function workersOf(key: string): Promise<string[]> {
  const workers: string[] = [];
  for (const session of SESSIONS) workers.push(await workerOf('one', { session, key }));
  return workers;
}

test('a session stays with its worker, sessions are spread, and tenants share none', async () => {
  const first = await workersOf(KEYS[0]);
  assert.ok(new Set(first).size > 1, 'sessions are spread');
  for (const [i, session] of SESSIONS.entries())
    assert.equal(await workerOf(`another question ${i}`, { session }), first[i]);
  assert.notDeepEqual(await workersOf(KEYS[1]), first);
});

test('without a header the keys of the request tell, and without any its opening', async () => {
  const turns = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: `Hello ${Math.random()}` },
  ];
  const first = await workerOf('', { body: { messages: turns } });
  const more = [...turns, { role: 'assistant', content: 'Hi' }, { role: 'user', content: 'And?' }];
  assert.equal(await workerOf('', { body: { messages: more } }), first);
  for (const sign of [{ prompt_cache_key: 'k' }, { conversation: { id: 'c' } }, { user: 'u' }]) {
    const workers = new Set<string>();
    for (let n = 0; n < 6; n++) workers.add(await workerOf(`question ${n}`, { body: sign }));
    assert.equal(workers.size, 1, JSON.stringify(sign));
  }
});

test('a chain of responses stays where its first response was', async () => {
  const ask = async (previous: string | null): Promise<{ id: string; worker: string }> => {
    const input = `question ${Math.random()}`;
    const body = { model: 'sim-chat', input, previous_response_id: previous, max_output_tokens: 2 };
    const response = await post(stack, '/v1/responses', body);
    const { id } = (await response.json()) as { id: string };
    return { id, worker: response.headers.get('x-penstock-worker') ?? '' };
  };
  for (let chain = 0; chain < 4; chain++) {
    let last = await ask(null);
    const { worker } = last;
    for (let turn = 0; turn < 3; turn++) {
      const { id } = last;
      // A response can be referred to once it is kept, a moment after its answer.
      await waitFor(async () => {
        last = await ask(id);
        return last.worker !== '';
      });
      assert.equal(last.worker, worker);
    }
  }
});

test('a session whose worker is busy spills, and comes back', async () => {
  const session = 'busy';
  const owner = await workerOf('where?', { session });
  const engine = stack.engines[Number(owner.slice(2)) - 1];
  const others = stack.engines.filter(each => each !== engine);
  const startedElsewhere = () => others.reduce((sum, each) => sum + each.stats().started, 0);
  assert.ok(engine);
  const before = startedElsewhere();
  // Busy for as long as it takes to send the others.
  await slowDown(engine, 10);
  const asked = Array.from({ length: 8 }, (_, n) => workerOf(`${n} ${LONG}`, { session }));
  await waitFor(() => startedElsewhere() - before >= 2);
  await slowDown(engine, 1);
  const workers = await Promise.all(asked);
  const own = workers.filter(worker => worker === owner).length;
  assert.ok(own >= 1 && own <= 6, `its worker ran ${own} of 8`);
  await waitFor(async () => (await workerOf('and now?', { session })) === owner);
});

async function metric(series: string): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  const line = text.split('\n').find(each => each.startsWith(series));
  return Number(line?.slice(series.length) ?? 0);
}

test('experts are spread evenly where nobody says otherwise, dense models keep prefixes', async () => {
  const placed = (reason: string) => metric(`penstock_placements_total{reason="${reason}"}`);
  const twice = async (model: string) => {
    const before = await placed('cached');
    await workerOf(`${model} ${LONG}`, { body: { model } });
    await workerOf(`${model} ${LONG} again`, { body: { model } });
    return (await placed('cached')) - before;
  };
  assert.equal(await twice('sim-moe'), 0);
  assert.equal(await twice('sim-dense'), 1);
});

test('a session whose worker dies goes on elsewhere, and stays there', async () => {
  const session = 'orphan';
  const moved = () => metric('penstock_moved_requests_total{reason="not_taken"}');
  const owner = await workerOf('where?', { session });
  const swept = () => metric('penstock_moved_requests_total{reason="swept"}');
  const before = await moved();
  const sweptBefore = await swept();
  stack.workers[Number(owner.slice(2)) - 1]?.kill('SIGKILL');
  assert.notEqual(await workerOf('still there?', { session }), owner);
  // Nobody knows yet that it is dead, only that it did not take this one: no second request waits for it.
  const heir = await workerOf('where now?', { session });
  assert.equal(await swept(), sweptBefore, 'nothing waits until it is known to be dead');
  for (let n = 0; n < 5; n++) assert.equal(await workerOf(`question ${n}`, { session }), heir);
  assert.ok((await moved()) - before <= 2, 'one request finds out, not each');
});
