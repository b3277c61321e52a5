/** Bodies that are too large for the queue: kept once beside it, read by whoever runs them, gone with their request. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { workStream } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { NatsWorkQueue, openStores } from '@penstock/transport';
import { BodySweeper } from '../../services/tasks/housekeeping/body-sweeper.ts';
import { batchesOf, lineOf } from '../../testkit/batches.ts';
import { type DigestEngine, digestOf, startDigestEngine } from '../../testkit/engines/digest-engine.ts';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, errorOf, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const CHAT = '/v1/chat/completions';
const INLINE = 100_000;
const LIMIT = 6_000_000;
const BUDGET = 60_000_000;
const ENV = { PENSTOCK_INLINE_BODY_BYTES: String(INLINE), PENSTOCK_BODY_LIMIT_BYTES: String(LIMIT) };
const MEMORY = { PENSTOCK_BODY_BUDGET_BYTES: String(BUDGET) };
const ACK_WAIT = { PENSTOCK_ACK_WAIT_MS: '2000' };
const ASYNC = { headers: { prefer: 'respond-async' } };

let engine: DigestEngine;
let stack: Stack;
before(async () => {
  engine = await startDigestEngine();
  stack = await startStack({
    engineUrls: [engine.url, engine.url],
    ingressEnv: { ...ENV, ...MEMORY, ...ACK_WAIT },
    workerEnv: ACK_WAIT,
    tasksEnv: ENV,
  });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

/** What the store of bodies holds. */
const kept = (of = stack) => readdir(join(of.filesDir, 'bodies', 'local')).catch(() => []);
const nothingKept = () => waitFor(async () => (await kept()).length === 0);
beforeEach(nothingKept);

function photo(bytes = 300_000): { type: string; image_url: { url: string } } {
  const url = `data:image/jpeg;base64,${randomBytes((bytes * 3) / 4).toString('base64')}`;
  return { type: 'image_url', image_url: { url } };
}
function ask(more: object = {}, part: object = photo()): string {
  const content = [{ type: 'text', text: 'What is this?' }, part];
  return JSON.stringify({ model: 'digest', messages: [{ role: 'user', content }], ...more });
}
type Answer = { choices: { message: { content: string } }[] };
const said = async (response: Response) => {
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as Answer).choices[0]?.message.content;
};

test('the engine gets the bytes of the client: a call, a stream, a job', async () => {
  const auth = { headers: { authorization: `Bearer ${API_KEY}` } };
  const cameOf = (body: string) => waitFor(() => engine.got.some(got => String(got) === body));
  const job = ask({ user: 'job' });
  const openJob = engine.hold();
  const location = (await post(stack, CHAT, job, ASYNC)).headers.get('location') ?? '';
  await cameOf(job);
  assert.equal((await kept()).length, 1);
  openJob();
  await waitFor(async () => (await fetch(stack.url + location, auth)).status === 200);
  assert.equal(await said(await fetch(stack.url + location, auth)), digestOf(job));
  const openCalls = engine.hold();
  const [plain, streamed] = [ask(), ask({ stream: true })];
  const [one, two] = [post(stack, CHAT, plain), post(stack, CHAT, streamed)];
  await Promise.all([cameOf(plain), cameOf(streamed)]);
  assert.equal((await kept()).length, 2);
  openCalls();
  assert.equal(await said(await one), digestOf(plain));
  assert.match(await (await two).text(), new RegExp(digestOf(streamed)));
  await nothingKept();
});

test('responses, in the foreground and in the background, reach the engine with their pictures', async () => {
  const { image_url } = photo();
  const client = sdk(stack);
  const picture = { type: 'input_image', image_url: image_url.url, detail: 'auto' } as const;
  const asked = { model: 'digest', input: [{ role: 'user' as const, content: [picture] }] };
  const got = () => engine.got.filter(body => body.includes(image_url.url)).length;
  const answered = await client.responses.create(asked);
  assert.match(answered.output_text, /^[0-9a-f]{64}$/);
  const { id } = await client.responses.create({ ...asked, background: true });
  await waitFor(async () => (await client.responses.retrieve(id)).status === 'completed');
  assert.equal(got(), 2);
  const other = photo().image_url.url;
  const next = { role: 'user' as const, content: [{ ...picture, image_url: other }] };
  await client.responses.create({ ...asked, input: [next], previous_response_id: answered.id });
  const last = JSON.parse(String(engine.got.at(-1))).messages as { content: unknown }[];
  const shown = (url: string) => [{ type: 'image_url', image_url: { url, detail: 'auto' } }];
  assert.deepEqual([last[0]?.content, last[2]?.content], [shown(image_url.url), shown(other)]);
  const { data } = await client.responses.inputItems.list(answered.id);
  assert.ok(data[0]?.type === 'message' && data[0].role === 'user');
  assert.deepEqual(data[0].content[0], picture);
});

test('messages of Anthropic’s API reach the engine with their pictures', async () => {
  const data = randomBytes(300_000).toString('base64');
  const source = { type: 'base64', media_type: 'image/png', data };
  const content = [{ type: 'image', source }];
  const asked = { model: 'digest', max_tokens: 16, messages: [{ role: 'user', content }] };
  const answer = await post(stack, '/v1/messages', JSON.stringify(asked));
  assert.equal(answer.status, 200, await answer.clone().text());
  const [message] = JSON.parse(String(engine.got.at(-1))).messages as { content: unknown[] }[];
  assert.deepEqual(message?.content, [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
  ]);
});

test('a stored completion shows the picture that its client sent', async () => {
  const part = photo();
  const stored = await sdk(stack).chat.completions.create(JSON.parse(ask({ store: true }, part)));
  const messages = await sdk(stack).chat.completions.messages.list(stored.id);
  assert.deepEqual(messages.data[0]?.content_parts?.[1], part);
});

test('a line of a batch with a picture is answered', async () => {
  const body = ask();
  const { begin, whenOver, linesOf } = batchesOf(sdk(stack));
  const batch = await whenOver((await begin(`${lineOf('a', JSON.parse(body))}\n`)).id);
  const [line] = await linesOf(batch.output_file_id);
  assert.equal(line?.response?.body.choices?.[0]?.message.content, digestOf(body));
});

test('the end of one request leaves the equal body of another', async () => {
  const body = ask();
  const open = engine.hold();
  const leaving = new AbortController();
  const first = post(stack, CHAT, body, { signal: leaving.signal });
  const second = post(stack, CHAT, body);
  await waitFor(async () => (await kept()).length === 2);
  leaving.abort();
  await assert.rejects(first);
  await waitFor(async () => (await kept()).length === 1);
  open();
  assert.equal(await said(await second), digestOf(body));
});

test('what is cancelled leaves nothing, nor does a client that leaves while it sends', async () => {
  const open = engine.hold();
  const jobs = [ask({ user: 'job' }), ask({ user: 'job' })].map(body => post(stack, CHAT, body, ASYNC));
  for (const answer of await Promise.all(jobs)) {
    const location = answer.headers.get('location') ?? '';
    await post(stack, `${location}/cancel`, '{}');
  }
  await nothingKept();
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
  const sending = httpRequest(stack.url + CHAT, { method: 'POST', headers });
  sending.on('error', () => {});
  sending.write(ask().slice(0, 200_000));
  await once(sending, 'socket');
  sending.destroy();
  open();
  const after = ask();
  assert.equal(await said(await post(stack, CHAT, after)), digestOf(after));
  await nothingKept();
});

test('a job that expires in the queue leaves nothing', async () => {
  const body = ask({ model: 'digest' });
  const open = engine.hold();
  const answer = await post(stack, CHAT, body, {
    headers: { prefer: 'respond-async', 'x-request-timeout-ms': '1' },
  });
  const location = answer.headers.get('location') ?? '';
  const auth = { headers: { authorization: `Bearer ${API_KEY}` } };
  await waitFor(async () => (await fetch(stack.url + location, auth)).status === 504);
  await nothingKept();
  open();
});

test('the limits are exact', async () => {
  const base = ask({}, { type: 'text', text: '' });
  const ofBytes = (bytes: number) => base.replace('""', `"${'x'.repeat(bytes - base.length)}"`);
  const open = engine.hold();
  const inline = post(stack, CHAT, ofBytes(INLINE));
  const large = post(stack, CHAT, ofBytes(INLINE + 1));
  await waitFor(() => [INLINE, INLINE + 1].every(bytes => engine.got.some(got => got.length === bytes)));
  assert.equal((await kept()).length, 1);
  open();
  assert.deepEqual([(await inline).status, (await large).status], [200, 200]);
  assert.equal(await said(await post(stack, CHAT, ofBytes(LIMIT))), digestOf(ofBytes(LIMIT)));
  const refused = await post(stack, CHAT, ofBytes(LIMIT + 1));
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [413, 'body_too_large']);
});

test('many large bodies at once take bounded memory', async () => {
  const body = ask({}, photo(5_000_000));
  const send = async (): Promise<void> => {
    const answer = await post(stack, CHAT, body);
    // What an SDK does.
    if (answer.status === 503) {
      assert.equal((await errorOf(answer)).code, 'too_many_large_bodies');
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      return send();
    }
    assert.equal(await said(answer), digestOf(body));
  };
  let isDone = false;
  const all = Promise.all(Array.from({ length: 20 }, send)).finally(() => {
    isDone = true;
  });
  let mostTaken = 0;
  while (!isDone) {
    const metrics = await (await fetch(`${stack.url}/metrics`)).text();
    mostTaken = Math.max(mostTaken, Number(/^penstock_large_body_bytes (\d+)/m.exec(metrics)?.[1]));
  }
  await all;
  assert.ok(mostTaken > 0 && mostTaken <= BUDGET, `${mostTaken} bytes`);
  const status = await readFile(`/proc/${stack.ingress.pid}/status`, 'utf8').catch(() => 'VmHWM: 0 kB');
  const peakMB = Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024;
  assert.ok(peakMB < 500, `the ingress took ${peakMB} MB`);
});

async function connectToQueue() {
  const nc = await connect({ servers: stack.nats.url });
  const { streams } = await jetstreamManager(nc);
  const stream = workStream('local', 0);
  return {
    queued: async () => (await streams.info(stream)).state.messages,
    purge: () => streams.purge(stream),
    [Symbol.asyncDispose]: () => nc.close(),
  };
}

test('what an ingress that was killed left behind is swept once its message is gone', async () => {
  for (const worker of stack.workers.splice(0)) await worker.stop();
  const node = await stack.addIngress('in-2');
  const broken = post({ ...stack, url: node.url }, CHAT, ask());
  await waitFor(async () => (await kept()).length === 1);
  await using broker = await connectToQueue();
  await waitFor(async () => (await broker.queued()) === 1);
  node.process.kill('SIGKILL');
  await assert.rejects(broken);
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const queue = await NatsWorkQueue.connect({ url: stack.nats.url, name: 'test' });
  const { bodies } = await openStores(stack.filesDir, null, 'local');
  const log = { info() {}, warn: (about: object) => assert.fail(JSON.stringify(about)) } as unknown as Logger;
  const watch = { removed() {}, failed: (what: string) => assert.fail(what) };
  const sweeper = new BodySweeper({ bodies, queue, region: 'local', shards: 1, watch, clock, log });
  const sweep = async () => {
    for (let minutes = 0; minutes < 7; minutes++) {
      await sweeper.sweep();
      nowMs += 60_000;
    }
    return (await kept()).length;
  };
  assert.equal(await sweep(), 1);
  await broker.purge();
  assert.equal(await sweep(), 0);
  await queue.close();
  stack.workers.push(await stack.startWorker(0), await stack.startWorker(1));
});

test('when a worker is killed, the next one reads the body again', async () => {
  const body = ask();
  const open = engine.hold();
  const answer = post(stack, CHAT, body);
  await waitFor(() => engine.got.some(got => String(got) === body));
  for (const worker of stack.workers.splice(0)) worker.kill('SIGKILL');
  open();
  stack.workers.push(await stack.startWorker(0, 'w-9'));
  assert.equal(await said(await answer), digestOf(body));
  assert.equal(engine.got.filter(got => String(got) === body).length, 2);
});

test('a body that is gone or damaged is an error that can be read, and the engine is not asked', async () => {
  const open = engine.hold();
  const before = engine.got.length;
  for (const worker of stack.workers.splice(0)) await worker.stop();
  await using broker = await connectToQueue();
  const answer = post(stack, CHAT, ask());
  // A body is whole before its message is sent; its file is seen before.
  await waitFor(async () => (await broker.queued()) === 1);
  await rm(join(stack.filesDir, 'bodies'), { recursive: true });
  stack.workers.push(await stack.startWorker(0, 'w-8'));
  const response = await answer;
  const { code, message } = await errorOf(response);
  assert.deepEqual([response.status, code, engine.got.length], [500, 'body_unavailable', before]);
  assert.match(message, /PENSTOCK_FILES_DIR has to be one directory/);
  assert.equal(response.headers.get('x-should-retry'), 'false');
  open();
});
