/** `Idempotency-Key`, `Prefer`, `service_tier` and stored chat completions, on every inference route. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import { ask, bodyOf, readEvents, saidTo, textOf } from '../../testkit/responses.ts';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, chat, errorOf, post, startStack, waitFor } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const ASYNC = { prefer: 'respond-async' };
interface Completion {
  id: string;
  choices: { message: { content: string } }[];
  service_tier?: string;
  metadata?: object;
}
const streamed = (path: string) =>
  path === '/v1/responses'
    ? { model: 'sim-chat', input: 'Streamed', max_output_tokens: 16, stream: true }
    : chat('Streamed', { max_tokens: 16, stream: true });
const contentOf = async (answer: Promise<Response> | Response) =>
  ((await (await answer).json()) as Completion).choices[0]?.message.content;
const said = (body: object, tokens: number) => expectedTokens(promptHash(body), tokens).join('');

test('keys and preferences', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}`, PENSTOCK_BODY_LIMIT_BYTES: '100000' },
  });
  const other = await stack.addIngress('in-2');
  const [engine] = stack.engines;
  const started = () => engine?.stats().started ?? 0;

  await t.test('duplicate POSTs with one key, in parallel and on two nodes, are one request', async () => {
    const body = chat('Once', { max_tokens: 40 });
    const before = started();
    const keyed = { headers: { 'idempotency-key': 'same' } };
    const answers = await Promise.all(
      [stack.url, other.url, stack.url, other.url].map(url =>
        contentOf(ask(url, '/v1/chat/completions', { json: body, ...keyed })),
      ),
    );
    assert.deepEqual(answers, Array(4).fill(said(body, 40)));
    assert.equal(await contentOf(post(stack, '/v1/chat/completions', body, keyed)), said(body, 40));
    assert.equal(started() - before, 1);
  });

  await t.test('another body under the key is refused; another tenant has keys of its own', async () => {
    const headers = { 'idempotency-key': 'mine' };
    await (await post(stack, '/v1/chat/completions', chat('First', { max_tokens: 2 }), { headers })).text();
    for (const [path, json] of [
      ['/v1/chat/completions', chat('Second', { max_tokens: 2 })],
      ['/v1/responses', { model: 'sim-chat', input: 'First' }],
    ] as const) {
      const answer = await ask(other.url, path, { json, headers });
      assert.equal(answer.status, 400);
      assert.equal((await errorOf(answer)).code, 'idempotency_key_reused');
    }
    const theirs = await ask(stack.url, '/v1/chat/completions', {
      ...{ json: chat('Theirs', { max_tokens: 2 }), headers, key: OTHER_KEY },
    });
    assert.equal(theirs.status, 200);
  });

  await t.test('a keyed stream is one run for all who read it', async () => {
    const body = chat('Stream once', { max_tokens: 80, stream: true });
    const before = started();
    const headers = { 'idempotency-key': 'stream' };
    const read = async (url: string) => {
      const text = await (await ask(url, '/v1/chat/completions', { json: body, headers })).text();
      assert.match(text, /data: \[DONE\]\n\n$/);
      return [...text.matchAll(/"content":"([^"]*)"/g)].map(match => match[1]).join('');
    };
    assert.deepEqual(await Promise.all([read(stack.url), read(other.url)]), Array(2).fill(said(body, 80)));
    assert.equal(await read(stack.url), said(body, 80));
    assert.equal(started() - before, 1);
  });

  await t.test('keyed responses: in the foreground, streamed, in the background', async () => {
    const before = started();
    const base = { model: 'sim-chat', max_output_tokens: 20 };
    const twice = async (json: object, key: string) => {
      const make = () => ask(stack.url, '/v1/responses', { json, headers: { 'idempotency-key': key } });
      return Promise.all([make(), make()]);
    };
    const [one, two] = await Promise.all((await twice({ ...base, input: 'F' }, 'f')).map(bodyOf));
    assert.equal(one?.status, 'incomplete');
    assert.equal(one?.background, false);
    assert.deepEqual(two, one);
    const streams = await Promise.all(
      (await twice({ ...base, input: 'S', stream: true }, 's')).map(readEvents),
    );
    assert.equal(textOf(streams[0] ?? []), saidTo('S', 20));
    assert.deepEqual(streams[1], streams[0]);
    const ids = await Promise.all((await twice({ ...base, input: 'B', background: true }, 'b')).map(bodyOf));
    assert.equal(ids[0]?.id, ids[1]?.id);
    await waitFor(() => started() - before === 3);
    const unstored = await post(
      stack,
      '/v1/responses',
      { ...base, input: 'x', store: false },
      {
        headers: { 'idempotency-key': 'u' },
      },
    );
    assert.equal((await errorOf(unstored)).param, 'Idempotency-Key');
  });

  await t.test(
    'respond-async works on every inference route, and the answer has the shape of its endpoint',
    async () => {
      for (const [path, json, object] of [
        ['/v1/chat/completions', chat('a', { max_tokens: 2 }), 'chat.completion'],
        ['/v1/completions', { model: 'sim-chat', prompt: 'a', max_tokens: 2 }, 'text_completion'],
        ['/v1/embeddings', { model: 'sim-embed', input: 'a' }, 'list'],
        ['/v1/responses', { model: 'sim-chat', input: 'a', max_output_tokens: 2 }, 'response'],
        ['/v1/responses', { model: 'sim-chat', input: 'a', max_output_tokens: 2, stream: true }, 'response'],
      ] as const) {
        const answer = await ask(stack.url, path, { json, headers: ASYNC });
        assert.equal(answer.status, 202, path);
        assert.equal(answer.headers.get('preference-applied'), 'respond-async');
        assert.ok(['next', 'soon', 'later'].includes(answer.headers.get('x-penstock-queue-position') ?? ''));
        assert.ok(Number(answer.headers.get('x-penstock-queue-eta-ms')) >= 0);
        assert.ok(Number(answer.headers.get('openai-poll-after-ms')) >= 250);
        assert.ok(Number(answer.headers.get('retry-after')) >= 1);
        const location = answer.headers.get('location') ?? '';
        const open = /"status":"(queued|in_progress)"/;
        let text = '';
        await waitFor(async () => {
          text = await (await ask(other.url, location)).text();
          return !open.test(text);
        });
        assert.equal((JSON.parse(text) as { object: string }).object, object);
      }
    },
  );

  await t.test('wait=N is a wait before 202, and alone a deadline', async () => {
    const headers = { prefer: 'respond-async, wait=20' };
    const waited = await post(
      stack,
      '/v1/responses',
      { model: 'sim-chat', input: 'w', max_output_tokens: 16 },
      { headers },
    );
    assert.equal(waited.status, 200);
    assert.equal(waited.headers.get('preference-applied'), 'respond-async, wait=20');
    assert.equal((await bodyOf(waited)).status, 'incomplete');
    const late = await post(stack, '/v1/chat/completions', chat('long', { max_tokens: 5000 }), {
      headers: { prefer: 'wait=1' },
    });
    assert.equal(late.status, 504);
    assert.equal((await errorOf(late)).code, 'deadline_exceeded');
    const stored = { model: 'sim-chat', input: 'x', store: false, max_output_tokens: 16 };
    const ignored = await post(stack, '/v1/responses', stored, { headers: ASYNC });
    assert.equal(ignored.status, 200, 'what may not be stored is answered at once');
  });

  await t.test(
    'with a key wait=N alone is how long the client is held; a stream runs on as it is',
    async () => {
      const headers = { prefer: 'wait=1', 'idempotency-key': 'held for a second' };
      const json = chat('Held for a second', { max_tokens: 400 });
      const held = await post(stack, '/v1/chat/completions', json, { headers });
      assert.deepEqual([held.status, held.headers.get('preference-applied')], [202, 'wait=1']);
      await ask(stack.url, `${held.headers.get('location')}/cancel`, { method: 'POST' });
      const keyed = { prefer: 'wait=1', 'idempotency-key': 'wait alone, streamed' };
      const stream = await post(stack, '/v1/responses', streamed('/v1/responses'), { headers: keyed });
      assert.deepEqual([stream.status, stream.headers.get('preference-applied')], [200, null]);
      await readEvents(stream);
    },
  );

  await t.test(
    'a stream that ends while its client waits is told as the stream that was asked for',
    async () => {
      const headers = { prefer: 'respond-async, wait=20' };
      for (const path of ['/v1/responses', '/v1/chat/completions']) {
        const answer = await post(stack, path, streamed(path), { headers });
        assert.deepEqual([answer.status, answer.headers.get('preference-applied')], [200, headers.prefer]);
        assert.match(answer.headers.get('content-type') ?? '', /event-stream/);
        assert.match(await answer.text(), /data: \[DONE\]\n\n$/);
      }
    },
  );

  await t.test('a keyed response that runs in the foreground can be cancelled too', async () => {
    const json = { model: 'sim-chat', input: 'Stop me', max_output_tokens: 5000 };
    const headers = { prefer: 'wait=1', 'idempotency-key': 'stop me' };
    const asked = await bodyOf(ask(stack.url, '/v1/responses', { json, headers }));
    for (const url of [stack.url, other.url]) {
      const stop = await bodyOf(ask(url, `/v1/responses/${asked.id}/cancel`, { method: 'POST' }));
      assert.equal(stop.status, 'cancelled');
    }
    await waitFor(() => (engine?.stats().running ?? 1) === 0);
  });

  await t.test(
    'where nothing may be stored respond-async is not applied, and its wait is no deadline',
    async () => {
      const json = { model: 'sim-chat', input: 'Unstored', store: false, max_output_tokens: 250 };
      const headers = { prefer: 'respond-async, wait=1' };
      const answer = await ask(stack.url, '/v1/responses', { json, headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('preference-applied'), null);
    },
  );

  await t.test('service_tier is echoed as what it was run as, on both APIs', async () => {
    for (const [tier, used] of [
      ['auto', 'default'],
      ['default', 'default'],
      ['flex', 'flex'],
      ['priority', 'priority'],
      ['fast', 'priority'],
      ['of_next_year', 'default'],
    ]) {
      const body = chat(`Tier ${tier}`, { max_tokens: 3, service_tier: tier });
      const whole = (await (await post(stack, '/v1/chat/completions', body)).json()) as Completion;
      assert.equal(whole.service_tier, used);
      const stream = await (await post(stack, '/v1/chat/completions', { ...body, stream: true })).text();
      assert.ok(stream.includes(`"service_tier":"${used}"`) && stream.includes('[DONE]'));
      for (const isStreamed of [false, true]) {
        const headers = { 'idempotency-key': `tier ${tier} ${isStreamed}` };
        const json = { ...body, stream: isStreamed };
        const keyed = await (await post(stack, '/v1/chat/completions', json, { headers })).text();
        assert.ok(keyed.includes(`"service_tier":"${used}"`), `${tier}, under a key`);
      }
      for (const background of [false, true]) {
        const json = { model: 'sim-chat', input: 'x', service_tier: tier, background, max_output_tokens: 16 };
        assert.equal((await bodyOf(post(stack, '/v1/responses', json))).service_tier, used);
      }
    }
  });

  await t.test('bad values, bodies and sizes are refused by name', async () => {
    const cases: [string, unknown, number, string | null][] = [
      ['/v1/chat/completions', chat('x', { n: 0 }), 400, 'n'],
      ['/v1/chat/completions', chat('x', { max_tokens: -2 }), 400, 'max_tokens'],
      ['/v1/chat/completions', chat('x', { service_tier: 1 }), 400, 'service_tier'],
      ['/v1/responses', { model: 'sim-chat', input: 'x', service_tier: 1 }, 400, 'service_tier'],
      ['/v1/chat/completions', '{"model":', 400, null],
      ['/v1/chat/completions', '[1]', 400, null],
      ['/v1/responses', '"text"', 400, null],
      ['/v1/responses', '{"model":', 400, null],
      ['/v1/chat/completions', chat('x'.repeat(120_000)), 413, null],
      ['/v1/responses', { model: 'sim-chat', input: 'x'.repeat(120_000) }, 413, null],
      ['/v1/chat/completions', chat('x', { store: true, metadata: manyPairs(17) }), 400, 'metadata'],
    ];
    for (const headers of [{}, ASYNC])
      for (const [path, body, status, param] of cases) {
        const answer = await post(stack, path, body, { headers });
        assert.equal(answer.status, status, `${path} ${JSON.stringify(body).slice(0, 60)}`);
        assert.equal((await errorOf(answer)).param, param);
      }
  });

  await t.test('without include_usage no chunk tells usage, keyed and stored streams too', async () => {
    for (const [extra, headers] of [
      [{}, {}],
      [{ store: true }, {}],
      [{}, { 'idempotency-key': 'usage' }],
    ] as const) {
      const body = chat('Usage', { max_tokens: 4, stream: true, ...extra });
      const text = await (await post(stack, '/v1/chat/completions', body, { headers })).text();
      assert.ok(!text.includes('usage') && text.includes('[DONE]'));
    }
    const asked = chat('Usage', { max_tokens: 4, stream: true, stream_options: { include_usage: true } });
    assert.match(
      await (await post(stack, '/v1/chat/completions', asked)).text(),
      /"choices":\[\],"usage":\{/,
    );
  });

  await t.test(
    'stored chat completions: listed, found, named, told with their messages, deleted',
    async () => {
      const client = sdk(stack);
      const before: string[] = [];
      for await (const known of client.chat.completions.list()) before.push(known.id);
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        const body = {
          model: 'sim-chat',
          messages: [{ role: 'user' as const, content: `Store ${i}` }],
          ...{
            max_tokens: 4,
            store: true,
            metadata: { turn: String(i), parity: i % 2 === 0 ? 'even' : 'odd' },
          },
        };
        if (i === 2) {
          const stream = await client.chat.completions.create({ ...body, stream: true });
          let id = '';
          for await (const chunk of stream) id = chunk.id;
          ids.push(id);
        } else ids.push((await client.chat.completions.create(body)).id);
      }
      const [first = '', , streamed = ''] = ids;
      const found = await client.chat.completions.retrieve(streamed);
      const expected = said({ messages: [{ role: 'user', content: 'Store 2' }] }, 4);
      assert.equal(found.choices[0]?.message.content, expected);
      const listed: string[] = [];
      for await (const one of client.chat.completions.list({ limit: 2 })) listed.push(one.id);
      assert.deepEqual(listed, [...before, ...ids]);
      const even: string[] = [];
      const filter = { metadata: { parity: 'even' }, order: 'desc' as const };
      for await (const one of client.chat.completions.list(filter)) even.push(one.id);
      assert.deepEqual(even, [ids[4], ids[2], ids[0]]);
      assert.equal((await client.chat.completions.list({ model: 'sim-embed' })).data.length, 0);
      const named = await client.chat.completions.update(first, { metadata: { parity: 'none' } });
      assert.deepEqual(named.metadata, { parity: 'none' });
      assert.deepEqual((await client.chat.completions.retrieve(first)).metadata, { parity: 'none' });
      const messages = await client.chat.completions.messages.list(first);
      assert.deepEqual(
        messages.data.map(({ role, content }) => [role, content]),
        [['user', 'Store 0']],
      );
      assert.equal((await client.chat.completions.delete(first)).deleted, true);
      const behind = await client.chat.completions.list({ after: first, limit: 2 });
      assert.deepEqual(
        behind.data.map(({ id }) => id),
        [ids[1], ids[2]],
        'a client that has paged up to what is deleted goes on',
      );
      const strange = sdk(stack, { apiKey: OTHER_KEY });
      for (const [who, id] of [
        [client, first],
        [client, 'chatcmpl-nobody'],
        [client, 'x'],
        [strange, streamed],
      ] as const)
        await assert.rejects(who.chat.completions.retrieve(id), {
          status: 404,
          code: 'completion_not_found',
        });
      const bad = await ask(stack.url, `/v1/chat/completions/${streamed}`, { json: { metadata: 'x' } });
      assert.equal((await errorOf(bad)).param, 'metadata');
    },
  );

  await t.test('a stored completion may be fetched later too', async () => {
    const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }];
    const json = {
      ...chat('', { max_tokens: 5, store: true, metadata: { a: 'b' } }),
      messages: [
        { role: 'assistant', content: null, tool_calls: calls },
        { role: 'tool', tool_call_id: 'c', content: 'x' },
      ],
    };
    const asked = await ask(stack.url, '/v1/chat/completions', { json, headers: ASYNC });
    const location = asked.headers.get('location') ?? '';
    assert.match(location, /^\/v1\/chat\/completions\/chatcmpl-/);
    await waitFor(async () => (await ask(other.url, location)).status === 200);
    const found = (await (await ask(other.url, location)).json()) as Completion;
    assert.equal(`/v1/chat/completions/${found.id}`, location);
    assert.equal(found.choices[0]?.message.content, said(json, 5));
    assert.deepEqual(found.metadata, { a: 'b' });
    const { data } = await sdk(stack).chat.completions.messages.list(found.id);
    assert.deepEqual(data[0]?.tool_calls, calls);
  });
});

test('the start of queued work is estimated from what waits before it', async () => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }],
    workerEnv: { PENSTOCK_SLOTS: '4' },
  });
  const make = async (i: number) => {
    const body = chat(`Backlog ${i}`, { max_tokens: 60 });
    const answer = await post(stack, '/v1/chat/completions', body, { headers: ASYNC });
    return { eta: etaOf(answer), location: answer.headers.get('location') ?? '' };
  };
  const etaOf = (answer: Response) => Number(answer.headers.get('x-penstock-queue-eta-ms'));
  const first = await make(0);
  const rest = await Promise.all(Array.from({ length: 60 }, (_, i) => make(i + 1)));
  const last = rest.at(-1)?.location ?? '';
  let told: Response | null = null;
  await waitFor(async () => {
    const answer = await ask(stack.url, last);
    if (answer.status === 202 && etaOf(answer) > first.eta + 200) told = answer;
    return told !== null || answer.status === 200;
  });
  assert.ok(told !== null, 'the backlog shows in the estimate');
  const { headers } = told as Response;
  assert.ok(Number(headers.get('openai-poll-after-ms')) > 300);
  await waitFor(async () => (await ask(stack.url, last)).status === 200);
});

function manyPairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
}
