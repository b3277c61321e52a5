/** Nothing queues inside an engine: a worker takes what its engine runs at once, as the engine tells or as it was learned. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimEngine } from '@penstock/engine-sim';
import { chunk, DONE, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { chat, post, readChat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const PROFILE = { profile: 'dense-8b-h100' };
/** About 0.3 s of answer. */
const ANSWER = { max_tokens: 40 };

function watch(engine: SimEngine) {
  const most = { inside: 0 };
  const timer = setInterval(() => {
    const { waiting, running } = engine.stats();
    most.inside = Math.max(most.inside, waiting + running);
  }, 5);
  return { most, [Symbol.dispose]: () => clearInterval(timer) };
}

async function slotsOf(stack: Stack, model: string): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(new RegExp(`^penstock_slots\\{model="${model}"\\} (\\d+)`, 'm').exec(text)?.[1]);
}

test('a worker takes as many requests as its engine runs at once', async t => {
  const engines = [
    { ...PROFILE, models: ['told'], dialect: 'llamacpp', maxNumSeqs: 4 },
    { ...PROFILE, models: ['learned'], dialect: 'vllm', maxNumSeqs: 3 },
  ] as const;
  await using stack = await startStack({ engines: engines.map(engine => ({ ...engine })) });
  const [told, learned] = stack.engines;
  assert.ok(told && learned);

  await t.test('where the engine tells its limit, from the first request on', async () => {
    using watched = watch(told);
    const ask = (n: number) => readChat(stack, chat(`${n}`, { model: 'told', ...ANSWER }));
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => ask(n)));
    assert.ok(answers.every(({ tokens }) => tokens.length === ANSWER.max_tokens));
    assert.equal(watched.most.inside, 4);
    assert.equal(await slotsOf(stack, 'told'), 4);
  });

  await t.test('calls of others count', async () => {
    const ends = new AbortController();
    const direct = Array.from({ length: 4 }, (_, n) =>
      fetch(`${told.url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify(chat(`direct ${n}`, { model: 'told', stream: true, max_tokens: 100_000 })),
        signal: ends.signal,
      }).then(response => response.text()),
    );
    await waitFor(() => told.stats().running === 4);
    // Two probes, a second apart: one alone may be of calls of the worker's own that have just ended.
    await sleep(2500);
    const { started } = told.stats();
    const asked = readChat(stack, chat('through the queue', { model: 'told', ...ANSWER }));
    await sleep(500);
    assert.equal(told.stats().started, started, 'it waits in the queue, where another engine could take it');
    ends.abort();
    await Promise.allSettled(direct);
    assert.equal((await asked).status, 200);
  });

  await t.test('where it only shows that requests wait inside, within seconds', async () => {
    const isOver = { now: false };
    const clients = Array.from({ length: 12 }, async (_, n) => {
      for (let i = 0; !isOver.now; i++)
        await readChat(stack, chat(`${n} ${i}`, { model: 'learned', ...ANSWER }));
    });
    await waitFor(async () => (await slotsOf(stack, 'learned')) <= 4);
    await waitFor(() => learned.stats().waiting === 0);
    isOver.now = true;
    await Promise.all(clients);
    assert.ok((await slotsOf(stack, 'learned')) >= 3);
  });
});

/** Far above what any of these answers takes. */
const LIMIT_MS = 30_000;
const REFUSAL = `data: ${JSON.stringify({ error: { code: 429, message: 'not now' } })}\n\n${DONE}`;

/** An engine of so many slots that refuses what it has no slot for. A prompt says how long it is answered, or that it never is. */
async function startRefusing(limit: number) {
  const held = gate();
  const state = { running: 0, refused: [] as string[] };
  const engine = await startScriptedEngine(async function* ({ body }) {
    const prompt = body.messages.at(-1)?.content ?? '';
    if (prompt.startsWith('never') || state.running >= limit) {
      state.refused.push(prompt);
      return yield REFUSAL;
    }
    state.running++;
    yield chunk({ role: 'assistant', content: 'yes' });
    if (prompt.startsWith('held')) await held.opened;
    yield chunk({}, 'stop') + DONE;
    state.running--;
  });
  const timesRefused = (prompt: string) => state.refused.filter(each => each === prompt).length;
  const stop = async () => {
    held.open();
    await engine.close();
  };
  return { engine, held, state, timesRefused, [Symbol.asyncDispose]: stop };
}

test('a prompt that the engine always refuses keeps no other from it', async () => {
  await using refusing = await startRefusing(1000);
  await using stack = await startStack({ engineUrls: [refusing.engine.url] });
  const ask = (prompt: string, signal = AbortSignal.timeout(LIMIT_MS)) =>
    post(stack, '/v1/chat/completions', chat(prompt, { model: 'scripted', stream: true }), { signal });
  await waitFor(async () => (await slotsOf(stack, 'scripted')) > 0);
  const before = await slotsOf(stack, 'scripted');
  const leaves = new AbortController();
  const held = [0, 1, 2].map(n => ask(`held ${n}`, new AbortController().signal));
  try {
    await waitFor(() => refusing.state.running === 3);
    const never = ask('never', leaves.signal).catch(() => null);
    for (let n = 0; n < 3; n++) {
      const refused = refusing.timesRefused('never');
      await waitFor(() => refusing.timesRefused('never') > refused);
      assert.match(await (await ask(`other ${n}`)).text(), /yes/);
      assert.equal(await slotsOf(stack, 'scripted'), before, 'nothing is learned of it');
    }
    assert.equal(refusing.state.running, 3);
    assert.deepEqual(new Set(refusing.state.refused), new Set(['never']));
    leaves.abort();
    await never;
    refusing.held.open();
    for (const answer of held) assert.match(await (await answer).text(), /yes/);
  } finally {
    leaves.abort();
    refusing.held.open();
  }
});

test('an engine that refuses what it has no slot for is given no more than it has', async () => {
  await using refusing = await startRefusing(3);
  await using stack = await startStack({ engineUrls: [refusing.engine.url] });
  const ask = (prompt: string) => readChat(stack, chat(prompt, { model: 'scripted' }));
  const held = [0, 1, 2].map(n => ask(`held ${n}`));
  try {
    await waitFor(() => refusing.state.running === 3);
    const others = [0, 1, 2, 3].map(n => ask(`other ${n}`));
    await waitFor(async () => (await slotsOf(stack, 'scripted')) === 3);
    refusing.held.open();
    assert.ok((await Promise.all([...held, ...others])).every(({ status }) => status === 200));
  } finally {
    refusing.held.open();
  }
});
