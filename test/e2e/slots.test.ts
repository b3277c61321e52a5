/** Nothing queues inside an engine: a worker takes what its engine runs at once, as the engine tells or as it was learned. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimEngine } from '@penstock/engine-sim';
import { chat, readChat, startStack, waitFor } from '../../testkit/stack.ts';

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

test('a worker takes as many requests as its engine runs at once', async t => {
  const engines = [
    { ...PROFILE, models: ['told'], dialect: 'llamacpp', maxNumSeqs: 4 },
    { ...PROFILE, models: ['learned'], dialect: 'vllm', maxNumSeqs: 3 },
  ] as const;
  await using stack = await startStack({ engines: engines.map(engine => ({ ...engine })) });
  const [told, learned] = stack.engines;
  assert.ok(told && learned);
  const slotsOf = async (model: string) => {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    return Number(new RegExp(`^penstock_slots\\{model="${model}"\\} (\\d+)`, 'm').exec(text)?.[1]);
  };

  await t.test('where the engine tells its limit, from the first request on', async () => {
    using watched = watch(told);
    const ask = (n: number) => readChat(stack, chat(`${n}`, { model: 'told', ...ANSWER }));
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => ask(n)));
    assert.ok(answers.every(({ tokens }) => tokens.length === ANSWER.max_tokens));
    assert.equal(watched.most.inside, 4);
    assert.equal(await slotsOf('told'), 4);
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
    await waitFor(async () => (await slotsOf('learned')) <= 4);
    await waitFor(() => learned.stats().waiting === 0);
    isOver.now = true;
    await Promise.all(clients);
    assert.ok((await slotsOf('learned')) >= 3);
  });
});
