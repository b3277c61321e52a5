/** Silence before the first token. Streams stay alive; calls that are held too long become one job. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promptHash } from '@penstock/engine-sim';
import { ask, bodyOf, saidTo } from '../../testkit/responses.ts';
import { chunk, DONE, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { chat, errorOf, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

/** Slow: about ten tokens a second. */
const SLOW = { profile: 'dense-8b-h100', timeScale: 0.1 };
const HOLD = {
  PENSTOCK_SYNC_HOLD_MS: '1000',
  PENSTOCK_KEEPALIVE_MS: '300',
};

interface Answer {
  readonly choices?: { message: { content: string } }[];
}
const sentAway = async (answer: Response) => {
  assert.equal(answer.status, 202);
  assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  return answer.headers.get('location') ?? '';
};
async function answerAt(stack: Stack, location: string): Promise<string | undefined> {
  await waitFor(async () => (await ask(stack.url, location)).status === 200);
  const body = (await (await ask(stack.url, location)).json()) as Answer;
  return body.choices?.[0]?.message.content;
}

test('calls held too long', async t => {
  await using stack = await startStack({
    engines: [SLOW],
    ingressEnv: HOLD,
    leaseMs: 2000,
  });
  const [engine] = stack.engines;
  /** How each attempt at the engine to answer this question ended. */
  const outcomesOf = (question: string) => {
    const hash = promptHash(chat(question));
    return (engine?.stats().startedIds ?? [])
      .filter(attempt => attempt.promptHash === hash)
      .map(attempt => attempt.outcome);
  };

  await t.test('while the engine runs them', { concurrency: true }, async t => {
    await Promise.all([
      t.test('a sync call that runs too long is converted, and exactly one job is executed', async () => {
        const asked = await post(stack, '/v1/chat/completions', chat('Held', { max_tokens: 40 }));
        const location = await sentAway(asked);
        assert.match(location, /^\/v1\/jobs\//);
        const job = (await asked.json()) as { object: string; status: string };
        assert.deepEqual([job.object, job.status], ['job', 'in_progress']);
        assert.equal(await answerAt(stack, location), saidTo('Held', 40));
        assert.deepEqual(outcomesOf('Held'), ['finished']);
      }),

      t.test('a stored completion that is held too long is found and listed as one', async () => {
        const json = {
          ...chat('Stored and held', { max_tokens: 40 }),
          store: true,
          metadata: { who: 'held' },
        };
        const location = await sentAway(await post(stack, '/v1/chat/completions', json));
        assert.match(location, /^\/v1\/chat\/completions\/chatcmpl-/);
        assert.equal(await answerAt(stack, location), saidTo('Stored and held', 40));
        const listed = (await (await ask(stack.url, '/v1/chat/completions?limit=1')).json()) as {
          data: { id: string; metadata: object }[];
        };
        assert.equal(`/v1/chat/completions/${listed.data[0]?.id}`, location);
        assert.deepEqual(listed.data[0]?.metadata, { who: 'held' });
      }),

      t.test('a foreground response goes on as one in the background', async () => {
        const json = { model: 'sim-chat', input: 'Held response', max_output_tokens: 40 };
        const location = await sentAway(await post(stack, '/v1/responses', json));
        await waitFor(async () => (await bodyOf(ask(stack.url, location))).status === 'incomplete');
        const body = await bodyOf(ask(stack.url, location));
        assert.equal(body.output[0]?.content?.[0]?.text, saidTo('Held response', 40));
        assert.equal(body.background, true);
        assert.deepEqual(outcomesOf('Held response'), ['finished']);
      }),

      t.test('what may not be stored is refused, and not to be asked again', async () => {
        const json = { model: 'sim-chat', input: 'Unstored', max_output_tokens: 4000, store: false };
        const answer = await post(stack, '/v1/responses', json);
        assert.equal(answer.status, 504);
        assert.equal(answer.headers.get('x-should-retry'), 'false');
        assert.equal((await errorOf(answer)).code, 'held_too_long');
        await waitFor(() => outcomesOf('Unstored').join() === 'aborted');
      }),

      t.test('a converted call can be cancelled', async () => {
        const location = await sentAway(
          await post(stack, '/v1/chat/completions', chat('Stop', { max_tokens: 4000 })),
        );
        const answer = await ask(stack.url, `${location}/cancel`, { method: 'POST' });
        assert.equal(((await answer.json()) as { status: string }).status, 'cancelled');
        await waitFor(() => outcomesOf('Stop').join() === 'aborted');
      }),

      t.test('a keyed call is sent away too, and finds its answer under the same key', async () => {
        const body = chat('Keyed', { max_tokens: 30 });
        const headers = { 'idempotency-key': 'held' };
        await sentAway(await post(stack, '/v1/chat/completions', body, { headers }));
        let answer: Response | null = null;
        await waitFor(async () => {
          answer = await post(stack, '/v1/chat/completions', body, { headers });
          return answer.status === 200;
        });
        const { choices } = (await (answer as unknown as Response).json()) as Answer;
        assert.equal(choices?.[0]?.message.content, saidTo('Keyed', 30));
      }),
    ]);
  });

  await t.test('a converted call outlives its worker and its ingress', async () => {
    const body = chat('Outlives', { max_tokens: 60 });
    const location = await sentAway(await post(stack, '/v1/chat/completions', body));
    const other = await stack.addIngress('in-2');
    stack.ingress.kill('SIGKILL');
    await stack.ingress.exited;
    stack.workers[0]?.kill('SIGKILL');
    stack.workers[0] = await stack.startWorker(0, 'w-after');
    let content: string | undefined;
    await waitFor(async () => {
      const answer = await ask(other.url, location);
      if (answer.status === 200) content = ((await answer.json()) as Answer).choices?.[0]?.message.content;
      return answer.status === 200;
    });
    assert.equal(content, saidTo('Outlives', 60));
    stack.ingress = await stack.startIngress();
  });

  await t.test('a sync call that waits in the queue is converted, and run once a worker comes', async () => {
    await stack.workers[0]?.stop();
    const asked = await post(stack, '/v1/chat/completions', chat('Waits', { max_tokens: 5 }));
    const location = await sentAway(asked);
    assert.equal(((await asked.json()) as { status: string }).status, 'queued');
    stack.workers[0] = await stack.startWorker(0, 'w-back');
    assert.equal(await answerAt(stack, location), saidTo('Waits', 5));
    assert.deepEqual(outcomesOf('Waits'), ['finished']);
  });
});

test('a stream that is silent before its first token is kept alive, on every route', async t => {
  const keptAlive = gate();
  const engine = await startScriptedEngine(async function* () {
    yield '';
    await keptAlive.opened;
    yield chunk({ role: 'assistant', content: 'At last' }) + chunk({}, 'stop') + DONE;
  });
  t.after(() => engine.close());
  await using stack = await startStack({ engineUrls: [engine.url], ingressEnv: HOLD });
  const base = { model: 'scripted', stream: true };
  const calls: [string, object, Record<string, string>][] = [
    ['/v1/chat/completions', { ...base, messages: [{ role: 'user', content: 'x' }] }, {}],
    [
      '/v1/chat/completions',
      { ...base, messages: [{ role: 'user', content: 'x' }] },
      { 'idempotency-key': 'k' },
    ],
    ['/v1/responses', { ...base, input: 'x' }, {}],
    ['/v1/responses', { ...base, input: 'x', background: true }, {}],
  ];
  const commented = new Set<number>();
  const texts = await Promise.all(
    calls.map(async ([path, body, headers], call) => {
      const answer = await post(stack, path, body, { headers });
      assert.equal(answer.status, 200);
      let text = '';
      for await (const piece of (answer.body as ReadableStream<Uint8Array>).pipeThrough(
        new TextDecoderStream(),
      )) {
        text += piece;
        // The engine says nothing until every client has been comforted twice.
        if (text.split(': waiting\n\n').length > 2) commented.add(call);
        if (commented.size === calls.length) keptAlive.open();
      }
      return text;
    }),
  );
  for (const text of texts) {
    assert.match(text, /At last/);
    assert.match(text, /data: \[DONE\]\n\n$/);
  }
  assert.equal(engine.calls.length, calls.length);
});
