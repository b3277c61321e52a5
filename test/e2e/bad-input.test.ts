/** Everything a client can get wrong: a 4xx in OpenAI's shape, nothing enqueued, nothing logged in clear. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { API_KEY, chat, errorOf, post, type Stack, startStack, whenAllHeard } from '../../testkit/stack.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ engines: [{}], ingressEnv: { PENSTOCK_BODY_LIMIT_BYTES: '200000' } });
  await whenAllHeard(stack);
});
after(() => stack[Symbol.asyncDispose]());

const SECRET = 'canary-5f2a';
const deep = `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`;
const cases: [string, unknown, number, string, string | null][] = [
  ['malformed JSON', `{"model": "${SECRET}`, 400, 'invalid_json', null],
  ['an empty body', '', 400, 'invalid_json', null],
  ['an array', '[]', 400, 'invalid_request', null],
  ['null', 'null', 400, 'invalid_request', null],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, 'invalid_json', null],
  ['a wrong type', chat(SECRET, { max_tokens: '7' }), 400, 'invalid_request', 'max_tokens'],
  ['no messages', { model: 'sim-chat' }, 400, 'invalid_request', 'messages'],
  ['empty messages', { model: 'sim-chat', messages: [] }, 400, 'invalid_request', 'messages'],
  [
    'a role without a name',
    { model: 'sim-chat', messages: [{ role: '', content: SECRET }] },
    400,
    'invalid_request',
    'messages[0].role',
  ],
  ['n: 0', chat(SECRET, { n: 0 }), 400, 'invalid_request', 'n'],
  ['n: 1000000', chat(SECRET, { n: 1_000_000 }), 400, 'invalid_request', 'n'],
  ['max_tokens: -2', chat(SECRET, { max_tokens: -2 }), 400, 'invalid_request', 'max_tokens'],
  [
    'a service_tier that is no name',
    chat(SECRET, { service_tier: 7 }),
    400,
    'invalid_request',
    'service_tier',
  ],
  [
    'a temperature of 1e999',
    `{"model":"sim-chat","messages":[{"role":"user","content":"x"}],"temperature":1e999}`,
    400,
    'invalid_request',
    'temperature',
  ],
  ['__proto__', `{"__proto__":{"a":1},"model":"sim-chat"}`, 400, 'invalid_json', null],
  ['an escaped __proto__', `{"\\u005f_proto__":{"a":1},"model":"sim-chat"}`, 400, 'invalid_json', null],
  [
    'half a surrogate pair',
    `{"model":"sim-chat","messages":[{"role":"user","content":"\\ud800"}]}`,
    400,
    'invalid_json',
    null,
  ],
  ['deep nesting', deep, 400, 'json_too_complex', null],
  [
    '60,000 stop sequences',
    JSON.stringify(chat(SECRET, { stop: new Array(60_000).fill('') })),
    400,
    'invalid_request',
    'stop',
  ],
  ['an unknown model', { ...chat(SECRET), model: 'no-such' }, 404, 'model_not_found', 'model'],
  ...['a.b', 'sim-chat.*', '>', 'sim chat', 'sim-chat\r\nPUB x', 'x'.repeat(250)].map(
    (model): [string, unknown, number, string, string | null] => [
      `the model ${JSON.stringify(model.slice(0, 20))}`,
      { ...chat(SECRET), model },
      404,
      'model_not_found',
      'model',
    ],
  ),
  [
    'a model name of 300 characters',
    { ...chat(SECRET), model: 'x'.repeat(300) },
    400,
    'invalid_request',
    'model',
  ],
  ['a body over the limit', chat('x'.repeat(250_000)), 413, 'body_too_large', null],
];

for (const [name, body, status, code, param] of cases) {
  test(`${name} → ${status} ${code}`, async () => {
    const raw = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const response = await post(stack, '/v1/chat/completions', raw);
    const text = await response.text();
    const { error } = JSON.parse(text);
    assert.equal(response.status, status, text);
    assert.equal(error.code, code);
    assert.equal(error.param, param);
    assert.deepEqual(Object.keys(error).sort(), ['code', 'message', 'param', 'type']);
    assert.match(response.headers.get('x-request-id') ?? '', /^req_/);
    assert.ok(!text.includes(SECRET), 'the answer quotes what the client sent');
  });
}

test('the other endpoints refuse the same mistakes in the same shape', async () => {
  const endpoints: [path: string, good: Record<string, unknown>][] = [
    ['/v1/completions', { model: 'sim-chat', prompt: SECRET }],
    ['/v1/embeddings', { model: 'sim-embed', input: SECRET }],
    ['/v1/responses', { model: 'sim-chat', input: SECRET }],
  ];
  for (const [path, good] of endpoints) {
    const limit = path === '/v1/responses' ? 'max_output_tokens' : 'max_tokens';
    const numbers = path === '/v1/embeddings' ? ['dimensions'] : [limit];
    const mistakes: [unknown, number, string, string | null][] = [
      ['{"model": ', 400, 'invalid_json', null],
      ['[]', 400, 'invalid_request', null],
      ['"text"', 400, 'invalid_request', null],
      [{ ...good, model: 7 }, 400, 'invalid_request', 'model'],
      [{ ...good, model: 'nobody' }, 404, 'model_not_found', 'model'],
      ...numbers.map((field): [unknown, number, string, string | null] => [
        { ...good, [field]: -2 },
        400,
        'invalid_request',
        field,
      ]),
      ...(path === '/v1/responses' ? ['service_tier'] : []).map(
        (field): [unknown, number, string, string | null] => [
          { ...good, [field]: 7 },
          400,
          'invalid_request',
          field,
        ],
      ),
      [{ ...good, user: 'x'.repeat(250_000) }, 413, 'body_too_large', null],
    ];
    for (const [body, status, code, param] of mistakes) {
      const response = await post(stack, path, body);
      const error = await errorOf(response);
      const what = `${path} ${JSON.stringify(body).slice(0, 60)}`;
      assert.deepEqual([response.status, error.code, error.param], [status, code, param], what);
      assert.match(response.headers.get('x-request-id') ?? '', /^req_/);
    }
  }
});

test('keys: missing, wrong, malformed, endless', async () => {
  for (const authorization of ['', 'Bearer wrong-key', 'Basic abc', `Bearer ${'x'.repeat(5000)}`]) {
    const response = await post(stack, '/v1/chat/completions', chat('x'), { headers: { authorization } });
    assert.equal(response.status, 401);
    assert.equal((await errorOf(response)).type, 'invalid_request_error');
  }
});

test('routes, methods, media types and encodings', async () => {
  const get = await fetch(`${stack.url}/v1/completions`);
  assert.equal(get.status, 405);
  assert.equal(get.headers.get('allow'), 'POST, OPTIONS');
  const nowhere = await fetch(`${stack.url}/v1/nothing`);
  assert.equal(nowhere.status, 404);
  assert.equal((await errorOf(nowhere)).code, 'not_found');
  for (const headers of [{ 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }]) {
    assert.equal((await post(stack, '/v1/chat/completions', chat('x'), { headers })).status, 415);
  }
});

test('multipart bodies that are none, methods nobody serves, and parameters given twice', async () => {
  for (const type of ['multipart/form-data', 'multipart/form-data; boundary=x']) {
    const upload = await post(stack, '/v1/files', '--x\r\nnonsense--x--\r\n', {
      headers: { 'content-type': type },
    });
    assert.deepEqual([upload.status, (await errorOf(upload)).code], [400, 'invalid_request'], type);
  }
  const headers = { authorization: `Bearer ${API_KEY}` };
  for (const method of ['QUERY', 'PATCH', 'PUT']) {
    const answer = await fetch(`${stack.url}/v1/models`, { method, headers });
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD, OPTIONS'], method);
  }
  const twice = await fetch(`${stack.url}/v1/files?order=asc&order=asc`, { headers });
  assert.deepEqual([twice.status, (await errorOf(twice)).param], [400, 'order']);
});

test('what is not HTTP, or too long a head, is refused in the same shape and does not stop the server', async () => {
  const { port } = new URL(stack.url);
  for (const [sent, status] of [
    ['GET / HTTP/9.9 \0\r\n\r\n', 400],
    [`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ] as const) {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(sent));
      let text = '';
      socket.on('data', data => {
        text += data.toString('latin1');
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status}`));
    const { error } = JSON.parse(answer.split('\r\n\r\n')[1] ?? '') as { error: object };
    assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code']);
    assert.equal((await fetch(`${stack.url}/livez`)).status, 200);
  }
});

test('URLs that cannot be read and ids that are far too long', async () => {
  const headers = { authorization: `Bearer ${API_KEY}` };
  for (const [path, status] of [
    [`/v1/files/%ff${SECRET}`, 400],
    ['/v1/responses/%E0%A4%A', 400],
    [`/v1/files/${'a'.repeat(400)}`, 404],
  ] as const) {
    const answer = await fetch(stack.url + path, { headers });
    const error = await errorOf(answer);
    assert.deepEqual([answer.status, error.type], [status, 'invalid_request_error'], path);
    assert.ok(!error.message.includes(SECRET));
  }
});

test('bodies of batches and webhooks that are no objects, and input of responses that says nothing', async () => {
  for (const path of ['/v1/batches', '/v1/webhook_endpoints'])
    for (const body of ['[]', '"text"', 'null', '7']) {
      const error = await errorOf(await post(stack, path, body));
      assert.deepEqual([error.message, error.param], ['The body must be a JSON object.', null]);
    }
  for (const [item, param] of [
    [{ type: 'reasoning' }, 'input'],
    [{ role: 'toString', content: 'x' }, 'input[0].role'],
  ] as const) {
    const answer = await post(stack, '/v1/responses', { model: 'sim-chat', input: [item] });
    assert.deepEqual([answer.status, (await errorOf(answer)).param], [400, param]);
  }
});

test('nothing of it was enqueued or logged', async () => {
  const metrics = await (await fetch(`${stack.url}/metrics`)).text();
  assert.match(metrics, /penstock_open_requests 0/);
  assert.equal(stack.engines[0]?.stats().started, 0);
  const logged = [stack.ingress, ...stack.workers].flatMap(process => process.output).join('\n');
  assert.ok(!logged.includes(SECRET) && !logged.includes(API_KEY));
});
