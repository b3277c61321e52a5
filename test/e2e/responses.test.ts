/** The Responses API through the official client: foreground, background, chains, resuming, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { API_KEY, errorOf, post, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const MODEL = 'sim-chat';

/** What the simulated model says to these messages. */
function said(messages: object[], tokens: number): string {
  return expectedTokens(promptHash({ messages }), tokens).join('');
}
const user = (content: string) => ({ role: 'user', content });

test('responses', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }, { profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}`, PENSTOCK_BODY_LIMIT_BYTES: '7000000' },
    leaseMs: 2000,
  });
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
  const stranger = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: OTHER_KEY, maxRetries: 0 });

  await t.test('a response in the foreground, with instructions, kept for later', async () => {
    const response = await client.responses.create({
      model: MODEL,
      instructions: 'Be brief.',
      input: 'What is a penstock?',
      max_output_tokens: 20,
      metadata: { order: '4711' },
    });
    const messages = [{ role: 'system', content: 'Be brief.' }, user('What is a penstock?')];
    assert.equal(response.output_text, said(messages, 20));
    assert.equal(response.status, 'incomplete');
    assert.equal(response.incomplete_details?.reason, 'max_output_tokens');
    assert.equal(response.usage?.output_tokens, 20);
    assert.deepEqual(response.metadata, { order: '4711' });
    await waitFor(async () => {
      const again = await client.responses.retrieve(response.id);
      return again.output_text === response.output_text && again.usage?.output_tokens === 20;
    });
  });

  await t.test('the client helper accumulates a stream, and its numbers have no gap', async () => {
    const stream = client.responses.stream({ model: MODEL, input: 'Count', max_output_tokens: 16 });
    const numbers: number[] = [];
    const types: string[] = [];
    stream.on('event', event => {
      numbers.push(event.sequence_number);
      types.push(event.type);
    });
    const final = await stream.finalResponse();
    assert.equal(final.output_text, said([user('Count')], 16));
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i),
    );
    assert.deepEqual(types.slice(0, 4), [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    assert.ok(types.filter(type => type === 'response.output_text.delta').length > 4);
    assert.equal(types.at(-1), 'response.incomplete');
  });

  await t.test('a chain of responses holds what was said', async () => {
    const first = await client.responses.create({ model: MODEL, input: 'One', max_output_tokens: 16 });
    await waitFor(async () => (await client.responses.retrieve(first.id)).id === first.id);
    const second = await client.responses.create({
      model: MODEL,
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'Two' }] }],
      previous_response_id: first.id,
      max_output_tokens: 16,
    });
    const messages = [user('One'), { role: 'assistant', content: first.output_text }, user('Two')];
    assert.equal(second.output_text, said(messages, 16));
    assert.equal(second.previous_response_id, first.id);
    const unknown = { model: MODEL, input: 'x', previous_response_id: 'resp_nobody' };
    await assert.rejects(client.responses.create(unknown), BadRequestError);
    await assert.rejects(
      stranger.responses.create({ ...unknown, previous_response_id: first.id }),
      BadRequestError,
    );
  });

  await t.test('a background response is fetched when it is done', async () => {
    const asked = await client.responses.create({
      model: MODEL,
      input: 'Slowly',
      background: true,
      max_output_tokens: 40,
    });
    assert.ok(asked.status === 'queued' || asked.status === 'in_progress');
    let done = asked;
    await waitFor(async () => {
      done = await client.responses.retrieve(asked.id);
      return done.status === 'incomplete';
    });
    assert.equal(done.output_text, said([user('Slowly')], 40));
    const items = await client.responses.inputItems.list(asked.id);
    assert.equal(items.data.length, 1);
    await client.responses.delete(asked.id);
    await assert.rejects(client.responses.retrieve(asked.id), NotFoundError);
  });

  await t.test('a background stream can be resumed after any event, by several readers', async () => {
    const events: { type: string; sequence_number: number }[] = [];
    const stream = await client.responses.create({
      model: MODEL,
      input: 'Resume me',
      background: true,
      stream: true,
      max_output_tokens: 30,
    });
    let id = '';
    for await (const event of stream) {
      events.push(event);
      if (event.type === 'response.created') id = event.response.id;
    }
    assert.ok(events.length > 6);
    assert.deepEqual(
      events.map(event => event.sequence_number),
      events.map((_, i) => i),
    );
    const resumed = await Promise.all(
      [0, 2, events.length - 2, events.length - 1, 99].map(async after => {
        const again: typeof events = [];
        const rest = await client.responses.retrieve(id, { stream: true, starting_after: after });
        for await (const event of rest) again.push(event);
        return { after, again };
      }),
    );
    for (const { after, again } of resumed) assert.deepEqual(again, events.slice(after + 1));
  });

  await t.test(
    'cancelling is final and can be repeated; in the foreground there is nothing to cancel',
    async () => {
      const asked = await client.responses.create({
        model: MODEL,
        input: 'Forever',
        background: true,
        max_output_tokens: 5000,
      });
      await waitFor(async () => (await client.responses.retrieve(asked.id)).status === 'in_progress');
      for (let i = 0; i < 2; i++) assert.equal((await client.responses.cancel(asked.id)).status, 'cancelled');
      assert.equal((await client.responses.retrieve(asked.id)).status, 'cancelled');
      const quick = await client.responses.create({ model: MODEL, input: 'x', max_output_tokens: 16 });
      await waitFor(async () => (await client.responses.retrieve(quick.id)).id === quick.id);
      await assert.rejects(client.responses.cancel(quick.id), /Cannot cancel a synchronous response/);
    },
  );

  await t.test('unknown, foreign and unstored ids are the same 404', async () => {
    const kept = await client.responses.create({ model: MODEL, input: 'x', background: true });
    const unkept = await client.responses.create({ model: MODEL, input: 'x', store: false });
    for (const [who, id] of [
      [client, 'resp_nobody'],
      [client, 'nonsense'],
      [client, unkept.id],
      [stranger, kept.id],
    ] as const) {
      await assert.rejects(who.responses.retrieve(id), NotFoundError);
      await assert.rejects(who.responses.delete(id), NotFoundError);
      await assert.rejects(who.responses.cancel(id), NotFoundError);
    }
  });

  await t.test('what cannot be done is refused with the field that asks for it', async () => {
    const cases: [object, string | null][] = [
      [{ input: 'x' }, 'model'],
      [{ model: MODEL }, 'input'],
      [{ model: MODEL, input: [] }, 'input'],
      [{ model: MODEL, input: [{ type: 'telepathy' }] }, 'input[0].type'],
      [{ model: MODEL, input: [{ role: 'ghost', content: 'x' }] }, 'input[0].role'],
      [{ model: MODEL, input: [{ role: 'user', content: [{ type: 'smell' }] }] }, 'input[0].content[0]'],
      [{ model: MODEL, input: 'x', background: true, store: false }, 'background'],
      [{ model: MODEL, input: 'x', tools: [{ type: 'custom' }] }, 'tools[0].name'],
      [{ model: MODEL, input: 'x', max_output_tokens: 0 }, 'max_output_tokens'],
    ];
    for (const [body, param] of cases) {
      const answer = await post(stack, '/v1/responses', body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      const { error } = (await answer.json()) as { error: { param: string | null; type: string } };
      assert.equal(error.param, param);
      assert.equal(error.type, 'invalid_request_error');
    }
    await whenAllHeard(stack);
    assert.equal((await post(stack, '/v1/responses', { model: 'nobody', input: 'x' })).status, 404);
  });

  await t.test('a chain that is too long for one request is refused by name', async () => {
    const image = `data:image/png;base64,${'A'.repeat(3_000_000)}`;
    const input = [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: image },
          { type: 'input_text', text: 'x' },
        ],
      },
    ];
    let previous: string | null = null;
    for (const status of [200, 200, 413]) {
      const body = { model: MODEL, input, previous_response_id: previous, max_output_tokens: 1 };
      const answer = await post(stack, '/v1/responses', body);
      assert.equal(answer.status, status);
      if (status === 413) assert.equal((await errorOf(answer)).param, 'previous_response_id');
      else previous = ((await answer.json()) as { id: string }).id;
    }
  });

  await t.test('a background response survives the worker that ran it', async () => {
    const asked = await client.responses.create({
      model: MODEL,
      input: 'Survive',
      background: true,
      max_output_tokens: 300,
    });
    let worker = -1;
    await waitFor(() => {
      worker = stack.engines.findIndex(engine => engine.stats().running > 0);
      return worker >= 0;
    });
    stack.workers[worker]?.kill('SIGKILL');
    await waitFor(async () => (await client.responses.retrieve(asked.id)).status === 'incomplete');
    const done = await client.responses.retrieve(asked.id);
    assert.equal(done.output_text, said([user('Survive')], 300));
  });
});
