/** `Prefer: respond-async`: accepted work is stored, run once, and fetched in the shape of its endpoint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { Redis } from 'ioredis';
import { chat, errorOf, post, type Stack, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const ASYNC = { prefer: 'respond-async' };

function fetchJob(
  stack: Stack,
  path: string,
  method = 'GET',
  key = 'sk-penstock-test-key',
): Promise<Response> {
  return fetch(stack.url + path, { method, headers: { authorization: `Bearer ${key}` } });
}

async function submitJob(stack: Stack, body: object, headers: Record<string, string> = {}): Promise<string> {
  const answer = await post(stack, '/v1/chat/completions', body, { headers: { ...ASYNC, ...headers } });
  assert.equal(answer.status, 202);
  const job = (await answer.json()) as { id: string; object: string; status: string };
  assert.equal(job.object, 'job');
  assert.equal(answer.headers.get('location'), `/v1/jobs/${job.id}`);
  assert.equal(answer.headers.get('preference-applied'), 'respond-async');
  assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  assert.ok(Number(answer.headers.get('openai-poll-after-ms')) >= 250);
  return `/v1/jobs/${job.id}`;
}

async function resultOf(stack: Stack, location: string): Promise<Response> {
  await waitFor(async () => (await fetchJob(stack, location)).status !== 202);
  return fetchJob(stack, location);
}

const contentOf = async (response: Response): Promise<string> => {
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]?.message.content ?? '';
};

test('jobs on a sound fleet', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_API_KEYS: `sk-penstock-test-key,${OTHER_KEY}` },
    leaseMs: 2000,
  });

  await t.test('the answer is that of the endpoint, and stays', async () => {
    const body = chat('What is a penstock?', { max_tokens: 12 });
    const location = await submitJob(stack, body);
    const expected = expectedTokens(promptHash(body), 12).join('');
    assert.equal(await contentOf(await resultOf(stack, location)), expected);
    assert.equal(await contentOf(await fetchJob(stack, location)), expected);
  });

  await t.test('embeddings and completions too', async () => {
    const embed = await post(
      stack,
      '/v1/embeddings',
      { model: 'sim-embed', input: 'hello' },
      { headers: ASYNC },
    );
    const done = await resultOf(stack, embed.headers.get('location') ?? '');
    assert.equal(((await done.json()) as { object: string }).object, 'list');
  });

  await t.test('who prefers to wait gets the answer at once', async () => {
    const body = chat('quick', { max_tokens: 3 });
    const headers = { prefer: 'respond-async, wait=20' };
    const answer = await post(stack, '/v1/chat/completions', body, { headers });
    assert.equal(answer.status, 200);
    assert.equal(await contentOf(answer), expectedTokens(promptHash(body), 3).join(''));
  });

  await t.test(
    'a stream that is fetched later is found as a stream, live and again when it is over',
    async () => {
      const body = chat('hi', { stream: true, max_tokens: 60 });
      const location = await submitJob(stack, body);
      const [live, second] = await Promise.all([fetchJob(stack, location), fetchJob(stack, location)]);
      assert.match(live.headers.get('content-type') ?? '', /text\/event-stream/);
      const text = await live.text();
      assert.match(text, /data: \[DONE\]\n\n$/);
      const said = [...text.matchAll(/"content":"([^"]*)"/g)].map(match => match[1]).join('');
      assert.equal(said, expectedTokens(promptHash(body), 60).join(''));
      const events = (all: string) => all.split('\n\n').filter(event => event.startsWith('data:'));
      assert.deepEqual(events(await second.text()), events(text));
      assert.deepEqual(events(await (await fetchJob(stack, location)).text()), events(text));
    },
  );

  await t.test('unknown, malformed and foreign ids are the same 404', async () => {
    const location = await submitJob(stack, chat('mine'));
    for (const [path, key] of [
      ['/v1/jobs/nobody', undefined],
      ['/v1/jobs/UPPER%20case', undefined],
      [location, OTHER_KEY],
    ] as const) {
      for (const method of ['GET', 'DELETE']) {
        const answer = await fetchJob(stack, path, method, key);
        assert.equal(answer.status, 404);
        assert.equal((await errorOf(answer)).code, 'job_not_found');
      }
    }
  });

  await t.test(
    'a time-out of fractions of a millisecond is rounded, and what is stored of it expires',
    async () => {
      const location = await submitJob(stack, chat('fraction'), { 'x-request-timeout-ms': '2500.7' });
      const redis = new Redis(stack.redis.url);
      t.after(() => redis.disconnect());
      assert.ok((await redis.pttl(`penstock:run:${location.split('/').at(-1)}`)) > 0);
    },
  );

  await t.test('the same key and request is the same job; another request is refused', async () => {
    const headers = { 'idempotency-key': 'order 4711' };
    const body = chat('once', { max_tokens: 4 });
    const [first, second] = await Promise.all([
      submitJob(stack, body, headers),
      submitJob(stack, body, headers),
    ]);
    assert.equal(first, second);
    await resultOf(stack, first);
    const again = await post(stack, '/v1/chat/completions', body, { headers: { ...ASYNC, ...headers } });
    assert.equal(again.status, 200, 'a finished job answers at once');
    const other = await post(stack, '/v1/chat/completions', chat('twice'), {
      headers: { ...ASYNC, ...headers },
    });
    assert.equal(other.status, 400);
    assert.equal((await errorOf(other)).code, 'idempotency_key_reused');
  });

  await t.test('a running job can be cancelled, twice, and deleted', async () => {
    const body = chat('long', { max_tokens: 4000 });
    const location = await submitJob(stack, body);
    const isAtEngine = (outcome: 'running' | 'aborted') =>
      stack.engines
        .flatMap(engine => engine.stats().startedIds)
        .some(record => record.promptHash === promptHash(body) && record.outcome === outcome);
    // The record says so before the engine is called.
    await waitFor(() => isAtEngine('running'));
    assert.match(await (await fetchJob(stack, location)).text(), /in_progress/);
    for (let i = 0; i < 2; i++) {
      const answer = await fetchJob(stack, `${location}/cancel`, 'POST');
      assert.equal(((await answer.json()) as { status: string }).status, 'cancelled');
    }
    await waitFor(() => isAtEngine('aborted'));
    const gone = await fetchJob(stack, location, 'DELETE');
    assert.equal(((await gone.json()) as { deleted: boolean }).deleted, true);
    assert.equal((await fetchJob(stack, location)).status, 404);
  });

  await t.test(
    'a call that waits under a key for what is cancelled elsewhere ends with an error',
    async () => {
      const body = chat('Never', { max_tokens: 4000 });
      const headers = { 'idempotency-key': 'never' };
      const asked = await post(stack, '/v1/chat/completions', body, { headers: { ...headers, ...ASYNC } });
      const waiting = post(stack, '/v1/chat/completions', body, { headers });
      await fetchJob(stack, `${asked.headers.get('location')}/cancel`, 'POST');
      const answer = await waiting;
      assert.deepEqual([answer.status, answer.headers.get('x-should-retry')], [409, 'false']);
      assert.equal((await errorOf(answer)).code, 'job_cancelled');
    },
  );

  await t.test('a worker that dies in the middle costs time, not the job', async () => {
    const body = chat('survive', { max_tokens: 300 });
    const location = await submitJob(stack, body);
    let worker = -1;
    await waitFor(() => {
      worker = stack.engines.findIndex(engine => engine.stats().running > 0);
      return worker >= 0;
    });
    stack.workers[worker]?.kill('SIGKILL');
    const expected = expectedTokens(promptHash(body), 300).join('');
    assert.equal(await contentOf(await resultOf(stack, location)), expected);
    stack.workers[worker] = await stack.startWorker(worker, 'w-new');
  });

  await t.test('jobs accepted before the broker is killed are run after it', async () => {
    const bodies = Array.from({ length: 20 }, (_, i) => chat(`job ${i}`, { max_tokens: 8 }));
    const locations = await Promise.all(bodies.map(body => submitJob(stack, body)));
    await stack.nats.restart();
    for (const [i, location] of locations.entries()) {
      const expected = expectedTokens(promptHash(bodies[i] ?? {}), 8).join('');
      assert.equal(await contentOf(await resultOf(stack, location)), expected);
    }
  });
});

test('a job that fails every time ends with an error that can be fetched', async () => {
  await using stack = await startStack({ engines: [{ models: ['sim-chat'], listSentinels: true }] });
  const location = await submitJob(stack, chat('x', { model: 'sim-fail' }));
  const answer = await resultOf(stack, location);
  assert.equal(answer.status, 502);
  assert.equal((await errorOf(answer)).code, 'engine_error');
  const stored = await post(stack, '/v1/chat/completions', chat('x', { model: 'sim-fail', store: true }), {
    headers: ASYNC,
  });
  const failed = await resultOf(stack, stored.headers.get('location') ?? '');
  assert.equal(failed.status, 502, 'a stored completion too');
  assert.equal((await errorOf(failed)).code, 'engine_error');
});

test('bad requests are refused before anything is stored', async () => {
  await using stack = await startStack({ engines: [{}] });
  await whenAllHeard(stack);
  const cases: [object, Record<string, string>, number][] = [
    [{ model: 'sim-chat' }, {}, 400],
    [chat('x', { model: 'nobody' }), {}, 404],
    [chat('x'), { 'idempotency-key': 'k'.repeat(300) }, 400],
  ];
  for (const [body, headers, status] of cases) {
    const answer = await post(stack, '/v1/chat/completions', body, { headers: { ...ASYNC, ...headers } });
    assert.equal(answer.status, status);
  }
});
