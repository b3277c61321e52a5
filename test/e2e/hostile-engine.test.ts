/** An engine that means harm, and clients that would have a good one do harm. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { API_KEY, errorOf, post, startStack, waitFor } from '../../testkit/stack.ts';

/** Of each request for metrics that has ended: bytes that the engine got rid of. */
const taken: number[] = [];
const bodies: Record<string, unknown>[] = [];
const models = Array.from({ length: 900 }, (_, i) => ({
  id: `m-${i}`,
  created: 1e308,
  owned_by: 'x'.repeat(1000),
}));
const CHUNK = Buffer.alloc(65_536, 'a');

const engine = http.createServer((request, response) => {
  const json = (body: object | string, type = 'application/json') => {
    response.writeHead(200, { 'content-type': type });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  if (request.url === '/v1/models') return json({ object: 'list', data: [{ id: 'hidden' }, ...models] });
  if (request.url === '/health') return json({});
  if (request.url === '/metrics') return pour(response);
  if (request.method !== 'POST') return response.writeHead(404).end();
  let text = '';
  request.on('data', part => {
    text += part;
  });
  request.on('end', () => {
    bodies.push(JSON.parse(text || '{}'));
    const usage = `{"prompt_tokens":${'9'.repeat(400)},"completion_tokens":-7,"total_tokens":1e999}`;
    const choice = { index: 0, message: { role: 'assistant', content: '<script>' }, finish_reason: 'stop' };
    json(
      `{"id":"x","object":"chat.completion","choices":[${JSON.stringify(choice)}],"usage":${usage}}`,
      'text/html',
    );
  });
});

/** Goes on for as long as anybody reads. */
function pour(response: http.ServerResponse): void {
  let sent = 0;
  const write = () => {
    while (!response.destroyed) {
      sent += CHUNK.length;
      if (!response.write(CHUNK)) return;
    }
  };
  response.on('drain', write).on('close', () => taken.push(sent));
  write();
}

test('an engine that means harm, and clients that would have one do it', async t => {
  await new Promise<void>(resolve => engine.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    engine.closeAllConnections();
    engine.close();
  });
  await using stack = await startStack({
    engineUrls: [`http://127.0.0.1:${(engine.address() as AddressInfo).port}`],
    workerEnv: { PENSTOCK_MODELS: 'm-*', PENSTOCK_MOST_MODELS: '5', PENSTOCK_CONTINUES: 'no' },
    tasksEnv: {},
  });
  const ask = (more: object, content: unknown = 'hi', headers = {}) =>
    post(
      stack,
      '/v1/chat/completions',
      { model: 'm-0', messages: [{ role: 'user', content }], ...more },
      { headers },
    );

  await t.test('of a body without an end the worker reads a few megabytes, and goes on', async () => {
    await waitFor(() => taken.length >= 2);
    // What is on its way counts too.
    for (const bytes of taken) assert.ok(bytes < 24 * 1024 * 1024, `${bytes}`);
    assert.equal((await ask({})).status, 200);
  });

  await t.test('it serves the models that it may, and no more of them than it may', async () => {
    const listed = await fetch(`${stack.url}/v1/models`, { headers: { authorization: `Bearer ${API_KEY}` } });
    const { data } = (await listed.json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['m-0', 'm-1', 'm-2', 'm-3', 'm-4'],
    );
  });

  await t.test('its answer is taken for no page, and its numbers for none', async () => {
    const { status, headers } = await ask({});
    const named = [headers.get('content-type'), headers.get('x-content-type-options')];
    assert.deepEqual([status, ...named], [200, 'application/json', 'nosniff']);
    const job = await ask({}, 'later', { prefer: 'respond-async, wait=20' });
    assert.deepEqual([job.status, job.headers.get('content-type')], [200, 'application/json']);
    const response = await post(stack, '/v1/responses', { model: 'm-0', input: 'hi' });
    const { usage } = (await response.json()) as { usage: Record<string, unknown> };
    assert.equal(response.status, 200);
    assert.deepEqual([usage['input_tokens'], usage['output_tokens'], usage['total_tokens']], [0, 0, 0]);
    const background = await post(stack, '/v1/responses', { model: 'm-0', input: 'hi', background: true });
    const { id } = (await background.json()) as { id: string };
    const look = async () => {
      const read = await fetch(`${stack.url}/v1/responses/${id}`, {
        headers: { authorization: `Bearer ${API_KEY}` },
      });
      return ((await read.json()) as { status: string }).status;
    };
    await waitFor(async () => (await look()) === 'completed');
  });

  await t.test(
    'what engines have beyond the API passes; what has them connect, load or run something does not',
    async () => {
      const harmless = {
        top_k: 3,
        min_p: 0.1,
        guided_json: { type: 'object' },
        chat_template_kwargs: { enable_thinking: false },
      };
      assert.equal((await ask(harmless)).status, 200);
      assert.deepEqual(
        Object.keys(harmless).filter(name => !(name in (bodies.at(-1) ?? {}))),
        [],
      );
      const before = bodies.length;
      const image = (url: string) => [{ type: 'image_url', image_url: { url } }];
      for (const [more, content, param] of [
        [{ kv_transfer_params: { remote_host: '10.0.0.1' } }, 'hi', 'kv_transfer_params'],
        [{ bootstrap_host: 'x' }, 'hi', 'bootstrap_host'],
        [{ chat_template_kwargs: { chat_template: '{{ 1 }}' } }, 'hi', 'chat_template_kwargs.chat_template'],
        [{}, image('http://169.254.169.254/latest/meta-data'), 'messages[0].content[0].image_url.url'],
        [{}, image('file:///etc/passwd'), 'messages[0].content[0].image_url.url'],
      ] as const) {
        const refused = await ask(more, content);
        assert.deepEqual([refused.status, (await errorOf(refused)).param], [400, param]);
      }
      const twice = await post(
        stack,
        '/v1/chat/completions',
        '{"model":"m-0","model":"m-1","messages":[{"role":"user","content":"x"}]}',
      );
      assert.deepEqual([twice.status, (await errorOf(twice)).code], [400, 'invalid_json']);
      const response = {
        model: 'm-0',
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'http://localhost/' }] }],
      };
      assert.equal((await post(stack, '/v1/responses', response)).status, 400);
      assert.equal(bodies.length, before);
    },
  );
});
