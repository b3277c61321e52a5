/** With encryption on nothing of prompts and answers stands in Redis, in the store of NATS or in files; and everything works as without. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { deadStream } from '@penstock/protocol';
import { NatsDeadLetters } from '@penstock/transport';
import { Redis } from 'ioredis';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
import { startNats } from '../../testkit/nats.ts';
import { freePort } from '../../testkit/ports.ts';
import { startService } from '../../testkit/process.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { chunk, DONE, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, errorOf, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ASKED = 'marker-of-a-prompt-7f3a';
const ANSWERED = 'marker-of-an-answer-91bc';
const key = (name: string) => `${name}:${randomBytes(32).toString('base64')}`;
const [MASTER, WORK] = [key('k1'), key('w1')];

let parts: AsyncDisposableStack;
let stack: Stack;
let natsDir: string;
let keys: { PENSTOCK_ENCRYPTION_KEYS: string; PENSTOCK_WORK_KEYS: string };
/** What the engine waits for before it ends an answer to a prompt that asks for it. */
let held = gate();
/** All that was said to Redis, in arguments of commands. */
const told: string[] = [];
let receiver: Awaited<ReturnType<typeof startReceiver>>;
const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };

before(async () => {
  parts = new AsyncDisposableStack();
  natsDir = parts.adopt(await mkdtemp(join(tmpdir(), 'penstock-sealed-')), dir =>
    rm(dir, { recursive: true }),
  );
  const nats = parts.adopt(await startNats('8MB', '', natsDir), server => server.stop());
  const engine = parts.adopt(await startScriptedEngine(answer), server => server.close());
  receiver = parts.use(await startReceiver());
  keys = { PENSTOCK_ENCRYPTION_KEYS: MASTER, PENSTOCK_WORK_KEYS: WORK };
  stack = parts.use(
    await startStack({
      natsUrl: nats.url,
      engineUrls: [engine.url],
      ingressEnv: { ...keys, ...ALLOW, PENSTOCK_ENCRYPT_QUEUE: 'all' },
      tasksEnv: { ...keys, ...ALLOW },
      workerEnv: { PENSTOCK_WORK_KEYS: WORK },
    }),
  );
  await listenTo(stack.redis.url);
});
after(() => parts.disposeAsync());

async function listenTo(redisUrl: string): Promise<void> {
  const redis = parts.adopt(new Redis(redisUrl), each => each.disconnect());
  const monitor = parts.adopt(await redis.monitor(), each => each.disconnect());
  monitor.on('monitor', (_time: string, args: string[]) => told.push(args.join(' ')));
}

async function* answer({ body }: { body: Record<string, unknown> }): AsyncGenerator<string> {
  const asked = JSON.stringify(body);
  if (/fail/.test(asked)) {
    yield JSON.stringify({ error: { message: `no room for a ${ANSWERED}`, code: 500 } });
    return;
  }
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: ANSWERED };
    yield JSON.stringify({
      ...{ id: 'chatcmpl-x', object: 'chat.completion', created: 1, model: 'scripted', usage },
      choices: [{ index: 0, message, finish_reason: 'stop' }],
    });
    return;
  }
  yield chunk({ role: 'assistant', content: `${ANSWERED} ` });
  if (/hold/.test(asked)) await held.opened;
  yield chunk({ content: 'and the end' });
  yield chunk({}, 'stop');
  yield DONE;
}

/** Every value of Redis, whatever its type. */
async function redisText(): Promise<string> {
  await using open = new AsyncDisposableStack();
  const redis = open.adopt(new Redis(stack.redis.url), each => each.disconnect());
  const found: Buffer[] = [];
  for (const name of await redis.keys('*')) {
    const type = await redis.type(name);
    const command = {
      string: 'getBuffer',
      list: 'lrangeBuffer',
      hash: 'hgetallBuffer',
      zset: 'zrangeBuffer',
      set: 'smembersBuffer',
      stream: 'xrangeBuffer',
    }[type];
    const range = { list: [0, -1], zset: [0, -1], stream: ['-', '+'] }[type] ?? [];
    const value = await (redis as never as Record<string, (...args: unknown[]) => Promise<unknown>>)[
      command ?? ''
    ]?.(name, ...range);
    collect(value, found);
  }
  return Buffer.concat(found).toString('latin1');
}

function collect(value: unknown, into: Buffer[]): void {
  if (Buffer.isBuffer(value)) into.push(value);
  else if (typeof value === 'string') into.push(Buffer.from(value));
  else if (Array.isArray(value)) for (const each of value) collect(each, into);
  else if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) collect(each, into);
}

async function filesText(directory: string): Promise<string> {
  let text = '';
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) text += await readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '');
  return text;
}

/** Nor in what was gone from Redis before, such as answers on their way to clients that wait. @param more texts that stand nowhere either. */
async function assertNowhere(where: string, ...more: readonly string[]): Promise<void> {
  const texts = {
    redis: await redisText(),
    nats: await filesText(natsDir),
    files: await filesText(stack.filesDir),
    commands: told.join('\n'),
  };
  for (const [place, text] of Object.entries(texts))
    for (const marker of [ASKED, ANSWERED, Buffer.from(ASKED).toString('base64').slice(0, 24), ...more])
      assert.equal(text.indexOf(marker), -1, `${where}: ${marker} in ${place}: …${around(text, marker)}…`);
}

function around(text: string, marker: string): string {
  const at = text.indexOf(marker);
  return text.slice(Math.max(0, at - 200), at + 60).replaceAll(/[^\x20-\x7e]/g, '.');
}

const model = 'scripted';
const messages = [{ role: 'user' as const, content: ASKED }];

test('responses in the background, streamed and not, are readable by their client and nowhere else', async () => {
  const client = sdk(stack);
  const input = `${ASKED} hold`;
  const stream = await client.responses.create({ model, input, background: true, stream: true });
  let text = '';
  for await (const event of stream) {
    if (event.type !== 'response.output_text.delta') continue;
    text += event.delta;
    // While it runs: its message, its record and its log.
    if (text.includes(ANSWERED) && !text.includes('end')) {
      await assertNowhere('while it runs');
      held.open();
    }
  }
  assert.match(text, new RegExp(`^${ANSWERED} and the end$`));
  held = gate();
  const { id } = await client.responses.create({ model, input: ASKED, background: true });
  await waitFor(async () => (await client.responses.retrieve(id)).status === 'completed');
  assert.match((await client.responses.retrieve(id)).output_text, new RegExp(ANSWERED));
  assert.match(JSON.stringify(await client.responses.inputItems.list(id)), new RegExp(ASKED));
  const next = await client.responses.create({ model, input: 'and then?', previous_response_id: id });
  assert.match(next.output_text, new RegExp(ANSWERED));
  await assertNowhere('responses');
});

test('calls and streams whose clients wait', async () => {
  const client = sdk(stack);
  const call = await client.chat.completions.create({ model, messages });
  assert.equal(call.choices[0]?.message.content, ANSWERED);
  let text = '';
  for await (const { choices } of await client.chat.completions.create({ model, messages, stream: true }))
    text += choices[0]?.delta.content ?? '';
  assert.equal(text, `${ANSWERED} and the end`);
  assert.ok(
    told.some(each => each.includes('penstock:reply')),
    'it looks where they are',
  );
  await assertNowhere('clients that wait');
});

test('jobs and stored completions', async () => {
  const client = sdk(stack);
  const job = await post(
    stack,
    '/v1/chat/completions',
    { model, messages },
    { headers: { prefer: 'respond-async' } },
  );
  assert.equal(job.status, 202);
  const at = job.headers.get('location') ?? '';
  await waitFor(async () => (await (await get(at)).text()).includes(ANSWERED));
  const kept = await client.chat.completions.create({ model, messages, store: true });
  await waitFor(async () => (await client.chat.completions.list()).data.some(({ id }) => id === kept.id));
  assert.match(
    JSON.stringify((await client.chat.completions.messages.list(kept.id)).data),
    new RegExp(ASKED),
  );
  await client.chat.completions.update(kept.id, { metadata: { a: 'b' } });
  assert.match(JSON.stringify(await client.chat.completions.retrieve(kept.id)), new RegExp(ANSWERED));
  await assertNowhere('jobs');
});

test('files, batches and large bodies', async () => {
  const client = sdk(stack);
  const { begin, whenOver, linesOf, upload } = batchesOf(client);
  const text = `${lineOf('1', { model, messages })}\n${lineOf('2', { model, messages })}\n`;
  const file = await upload(text);
  assert.equal(file.bytes, text.length);
  assert.equal(await (await client.files.content(file.id)).text(), text);
  const batch = await whenOver((await begin(text)).id);
  assert.equal(batch.request_counts?.completed, 2);
  const lines = await linesOf(batch.output_file_id);
  assert.deepEqual(
    lines.map(line => line.response?.body.choices?.[0]?.message.content),
    [ANSWERED, ANSWERED],
  );
  const long = [{ role: 'user' as const, content: `${ASKED} ${'x'.repeat(1_500_000)}` }];
  const job = await post(
    stack,
    '/v1/chat/completions',
    { model, messages: long },
    { headers: { prefer: 'respond-async, wait=30' } },
  );
  assert.match(await job.text(), new RegExp(ANSWERED));
  const call = await client.chat.completions.create({ model, messages: long });
  assert.equal(call.choices[0]?.message.content, ANSWERED);
  // While it is in the store: an upload, the files of the batch, and the body of a call that its engine has not answered.
  held = gate();
  const stream = await client.chat.completions.create({
    ...{ model, stream: true },
    messages: [{ role: 'user', content: `${ASKED} hold ${'x'.repeat(1_500_000)}` }],
  });
  for await (const { choices } of stream) {
    if (choices[0]?.delta.content !== `${ANSWERED} `) continue;
    const stored = await filesText(stack.filesDir);
    assert.ok(stored.length > 1_500_000 && stored.includes('\xc1PS\x02'), 'it looks where they are');
    await assertNowhere('files');
    held.open();
  }
});

test('a file in the place of another is refused, and not given out as that', async () => {
  const client = sdk(stack);
  const { upload, begin, whenOver } = batchesOf(client);
  const stored = async () => (await readdir(stack.filesDir)).filter(name => /^[0-9a-f]{64}$/.test(name));
  const uploaded = async (text: string) => {
    const before = new Set(await stored());
    const { id } = await upload(text);
    return { id, path: join(stack.filesDir, (await stored()).find(name => !before.has(name)) ?? '') };
  };
  const [one, other] = [await uploaded(`${ASKED} one\n`), await uploaded(`${ASKED} other\n`)];
  await copyFile(other.path, one.path);
  const content = async (id: string) => (await client.files.content(id)).text();
  assert.equal(await content(other.id), `${ASKED} other\n`);
  await assert.rejects(content(one.id), (err: Error) => !String(err).includes('other'));
  await writeFile(one.path, `${ASKED} in the clear\n`);
  await assert.rejects(content(one.id));
  await client.files.delete(one.id);
  assert.equal(
    (await whenOver((await begin(`${lineOf('1', { model, messages })}\n`)).id)).status,
    'completed',
  );
});

test('what fails for good leaves no words of an engine, and no request, in the clear', async () => {
  const client = sdk(stack);
  const input = `${ASKED} fail`;
  await assert.rejects(client.responses.create({ model, input }), new RegExp(ANSWERED));
  const { id } = await client.responses.create({ model, input, background: true });
  await waitFor(async () => (await client.responses.retrieve(id)).status === 'failed');
  const letters = parts.adopt(
    await NatsDeadLetters.connect({ url: stack.nats.url, name: 'test' }, 'local'),
    each => each.close(),
  );
  await waitFor(async () => (await letters.list()).length === 2);
  for (const { reason, message } of await letters.list())
    assert.deepEqual([reason, message], ['engine_error', '']);
  assert.match(await filesText(natsDir), new RegExp(deadStream('local')), 'it looks where they are');
  await assertNowhere('dead letters');
});

test('conversations, secrets of webhooks and what errors of batches quote', async () => {
  const client = sdk(stack);
  const input = [{ type: 'message' as const, role: 'user' as const, content: ASKED }];
  const { id: conversation } = await client.conversations.create({ items: input });
  const answered = await client.responses.create({ model, input: 'and now?', conversation });
  assert.match(answered.output_text, new RegExp(ANSWERED));
  const behind = await client.responses.create({ model, input: 'go on', conversation, background: true });
  await waitFor(async () => (await client.responses.retrieve(behind.id)).status === 'completed');
  const items = async () => (await client.conversations.items.list(conversation, { order: 'asc' })).data;
  const [first, ...rest] = await items();
  assert.match(JSON.stringify(first), new RegExp(ASKED));
  assert.equal(rest.filter(item => JSON.stringify(item).includes(ANSWERED)).length, 2);
  await client.conversations.items.delete(first?.id ?? '', { conversation_id: conversation });
  assert.ok(!JSON.stringify(await items()).includes(ASKED));

  const created = await client.webhooks.create({
    ...{ name: 'mine', url: `${receiver.url}/mine`, event_types: ['batch.failed'] },
  });
  const { signing_secret: secret } = created as unknown as { signing_secret: string };
  const { begin, whenOver } = batchesOf(client);
  const over = await whenOver(
    (await begin(`${lineOf('1', { model, messages, store: true, metadata: { [ASKED]: 5 } })}\n`)).id,
  );
  assert.match(JSON.stringify(over.errors), new RegExp(ASKED));
  await waitFor(() => receiver.to('/mine').length > 0);
  const [post] = receiver.to('/mine');
  const event = await client.webhooks.unwrap(post?.body ?? '', post?.headers ?? {}, secret);
  assert.equal(event.type, 'batch.failed');
  await assertNowhere('conversations', secret, secret.slice('whsec_'.length));
});

test('a key that is missing is named to the operator, and nothing is made up', async () => {
  const client = sdk(stack);
  const { id } = await client.responses.create({ model, input: ASKED, background: true });
  await waitFor(async () => (await client.responses.retrieve(id)).status === 'completed');
  const other = await stack.addIngress('in-off', undefined, { PENSTOCK_ENCRYPTION: 'off' });
  assert.equal((await client.responses.retrieve(id)).status, 'completed');
  const off = sdk({ ...stack, url: other.url });
  assert.match((await off.responses.retrieve(id)).output_text, new RegExp(ANSWERED));
  await other.process.stop();
  // Another key under another name: the node serves what needs none, and says that it is not ready, and why.
  const port = await freePort();
  const env = {
    ...{
      PENSTOCK_NATS_URL: stack.nats.url,
      PENSTOCK_REDIS_URL: stack.redis.url,
      PENSTOCK_PORT: String(port),
    },
    ...{ PENSTOCK_API_KEYS: API_KEY, PENSTOCK_INGRESS_ID: 'in-strange', PENSTOCK_FILES_DIR: stack.filesDir },
    ...{ PENSTOCK_ENCRYPTION_KEYS: key('k9'), PENSTOCK_WORK_KEYS: WORK },
  };
  const strange = await startService('ingress', env, {
    readyWhen: line => line.includes('ingress listening'),
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    const ready = await fetch(`${url}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /the key \\"k1\\" is not in PENSTOCK_ENCRYPTION_KEYS/);
    const refused = await get(`${url}/v1/responses/${id}`);
    assert.equal(refused.status, 503);
    assert.match(
      (await errorOf(refused)).message,
      /cannot be decrypted now: the key "k1" is not in PENSTOCK_ENCRYPTION_KEYS/,
    );
  } finally {
    await strange.stop();
  }
});

function get(path: string): Promise<Response> {
  return fetch(new URL(path, stack.url), { headers: { authorization: `Bearer ${API_KEY}` } });
}
