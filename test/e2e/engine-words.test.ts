/** What engines say, in whatever pieces: reasoning, tools, large frames, split characters; and engines that say it twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask,
  assertGapless,
  bodyOf,
  eventsOf,
  type ResponseEvent,
  type ResponseItem,
  readEvents,
  textOf,
} from '../../testkit/responses.ts';
import { chunk, DONE, type EngineCall, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import { post, startStack, waitFor } from '../../testkit/stack.ts';

const background = (input: string, extra: object = {}) => ({
  ...{ model: 'scripted', input, background: true, stream: true, ...extra },
});
const tool = { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} } };
const call = (index: number, id: string | null, name: string | null, args: string) =>
  chunk({
    tool_calls: [
      {
        index,
        ...(id ? { id, type: 'function' } : {}),
        function: { ...(name ? { name } : {}), arguments: args },
      },
    ],
  });

/** Steps that a test waits for, by the prompt of the call. */
const opened = new Map<string, ReturnType<typeof gate>>();
function door(name: string) {
  const known = opened.get(name) ?? gate();
  opened.set(name, known);
  return known;
}
const large = 'x'.repeat(100_000);
const emoji = '👩‍🚀 Zürich 日本';

async function* speak({ body, count }: EngineCall): AsyncGenerator<string | Buffer> {
  const prompt = body.messages.at(-1)?.content ?? '';
  yield chunk({ role: 'assistant', content: '' });
  if (prompt === 'think') {
    yield chunk({ reasoning_content: 'Hmm, ' }) + chunk({ reasoning_content: 'let me see.' });
    yield chunk({ content: 'It is ' }) + chunk({ content: '42.' }) + chunk({}, 'stop');
  } else if (prompt.startsWith('tool')) {
    yield call(0, `call_${count}`, 'weather', '') + call(0, null, null, '{"city":');
    await door(prompt).opened;
    const city = prompt === 'tool that differs' && count > 1 ? '"Rome"}' : '"Paris"}';
    yield call(0, null, null, city) + chunk({}, 'tool_calls');
  } else if (prompt === 'large') {
    yield chunk({ content: large }) + chunk({ content: 'end' }) + chunk({}, 'stop');
  } else if (prompt === 'split') {
    const bytes = Buffer.from(chunk({ content: emoji }));
    for (const byte of bytes) yield Buffer.from([byte]);
    // Half a character in each of two deltas, as some engines' tokenizers have it.
    yield chunk({ content: '\ud83d' }) + chunk({ content: '\ude80' }) + chunk({}, 'stop');
  } else if (prompt === 'differs') {
    yield chunk({ reasoning_content: `Attempt ${count} ` });
    await door(prompt).opened;
    yield chunk({ content: 'done' }) + chunk({}, 'stop');
  } else if (prompt === 'filtered') yield chunk({ content: 'No' }) + chunk({}, 'content_filter');
  yield DONE;
}

test('engine words', async t => {
  const engine = await startScriptedEngine(speak);
  t.after(() => engine.close());
  await using stack = await startStack({
    engineUrls: [engine.url, engine.url],
    leaseMs: 1000,
  });
  const made = (json: object) => readEvents(ask(stack.url, '/v1/responses', { json }));

  await t.test('reasoning becomes an item of its own, before the message, with its events', async () => {
    const events = await made(background('think'));
    assertGapless(events);
    const types = events.map(event => event.type).filter(type => !/delta$/.test(type));
    assert.deepEqual(types.slice(3), [
      'response.output_item.added',
      'response.content_part.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_text.done',
      'response.content_part.done',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const output = events.at(-1)?.response?.output ?? [];
    assert.deepEqual(
      output.map(item => [item.type, item.content?.[0]?.text]),
      [
        ['reasoning', 'Hmm, let me see.'],
        ['message', 'It is 42.'],
      ],
    );
    const id = events[0]?.response?.id ?? '';
    assert.deepEqual((await bodyOf(ask(stack.url, `/v1/responses/${id}`))).output, output);
  });

  await t.test('the official client gathers reasoning from a stream, live and replayed', async () => {
    const { responses } = sdk(stack);
    const whole = await responses.stream({ model: 'scripted', input: 'think' }).finalResponse();
    const texts = [
      ['reasoning', 'Hmm, let me see.'],
      ['message', 'It is 42.'],
    ];
    const replayed = await responses.stream({ response_id: whole.id }).finalResponse();
    for (const { output } of [whole, replayed])
      assert.deepEqual(
        (output as ResponseItem[]).map(item => [item.type, item.content?.[0]?.text]),
        texts,
      );
  });

  await t.test('a tool call is streamed while its arguments arrive', async () => {
    door('tool').open();
    const events = await made(background('tool', { tools: [tool] }));
    assertGapless(events);
    const [item] = events.at(-1)?.response?.output ?? [];
    assert.equal(item?.type, 'function_call');
    assert.equal(item?.name, 'weather');
    assert.equal(item?.arguments, '{"city":"Paris"}');
    assert.ok(events.some(event => event.type === 'response.function_call_arguments.delta'));
  });

  await t.test('a content filter makes the response incomplete', async () => {
    const events = await made(background('filtered'));
    const id = events[0]?.response?.id ?? '';
    assert.equal(events.at(-1)?.type, 'response.incomplete');
    assert.equal(
      (await bodyOf(ask(stack.url, `/v1/responses/${id}`))).incomplete_details?.reason,
      'content_filter',
    );
  });

  await t.test(
    'a frame of more than 64 KB and characters split across pieces and deltas arrive whole',
    async () => {
      const events = await made(background('large'));
      assert.equal(textOf(events), `${large}end`);
      for (const json of [background('split'), { ...background('split'), background: false }]) {
        const split = await made(json);
        assert.equal(textOf(split), `${emoji}🚀`);
        const again = await readEvents(ask(stack.url, `/v1/responses/${split[0]?.response?.id}?stream=true`));
        assert.deepEqual(again.slice(0, -1), split.slice(0, -1));
      }
    },
  );

  await t.test('the last frame of every kind of stream ends with a blank line', async () => {
    const chatStream = { model: 'scripted', stream: true, messages: [{ role: 'user', content: 'think' }] };
    for (const [path, body] of [
      ['/v1/chat/completions', chatStream],
      ['/v1/responses', background('think')],
      ['/v1/responses', { ...background('think'), background: false }],
    ] as const) {
      const text = await (await post(stack, path, body)).text();
      assert.match(text, /data: \[DONE\]\n\n$/);
      assert.ok(!text.includes('\r'));
    }
  });

  /** A response of which something was read before the worker that runs it dies. */
  async function killAfterRead(prompt: string): Promise<ResponseEvent[]> {
    const seen: ResponseEvent[] = [];
    const answer = await ask(stack.url, '/v1/responses', { json: background(prompt, { tools: [tool] }) });
    let killed = false;
    for await (const event of eventsOf(answer)) {
      if (event !== null) seen.push(event);
      if (killed || !/delta$/.test(event?.type ?? '')) continue;
      killed = true;
      const calls = engine.calls.length;
      const runner = await runnerOf(seen[0]?.response?.id ?? '');
      stack.workers[runner]?.kill('SIGKILL');
      await waitFor(() => engine.calls.length > calls);
      door(prompt).open();
      stack.workers[runner] = await stack.startWorker(runner, `w-${prompt.replaceAll(' ', '-')}`);
      names[runner] = `w-${prompt.replaceAll(' ', '-')}`;
    }
    return seen;
  }
  const names = ['w-1', 'w-2'];
  async function runnerOf(id: string): Promise<number> {
    const { Redis } = await import('ioredis');
    const redis = new Redis(stack.redis.url);
    const worker = await redis.hget(`penstock:run:${id.replace('resp_', '')}`, 'worker');
    redis.disconnect();
    return names.indexOf(worker ?? '');
  }

  await t.test('a tool call whose worker dies is generated again, and reaches the client once', async () => {
    const events = await killAfterRead('tool again');
    assertGapless(events);
    assert.equal(events.at(-1)?.type, 'response.completed');
    const calls = events.at(-1)?.response?.output ?? [];
    assert.equal(calls.length, 1);
    assert.equal(calls[0]?.arguments, '{"city":"Paris"}');
    const id = events[0]?.response?.id ?? '';
    assert.deepEqual(await readEvents(ask(stack.url, `/v1/responses/${id}?stream=true`)), events);
  });

  await t.test(
    'an engine that says something else after a death fails the response that was read',
    async () => {
      const events = await killAfterRead('differs');
      assertGapless(events);
      assert.equal(events.at(-1)?.type, 'response.failed');
      const body = await bodyOf(ask(stack.url, `/v1/responses/${events[0]?.response?.id}`));
      assert.equal(body.error?.code, 'server_error');
    },
  );
});
