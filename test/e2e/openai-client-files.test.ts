/** The official client against the whole stack: every call of the Files and Batches APIs. What they mean in depth is in batches.test.ts. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { sdk } from '../../testkit/sdk.ts';
import { chat, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const ENDPOINT = '/v1/chat/completions';
let stack: Stack;
let client: OpenAI;
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'penstock-client-'));
  stack = await startStack({ engines: [{ profile: 'instant' }], tasksEnv: {} });
  client = sdk(stack);
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const line = (id: string, content: string, max_tokens = 4) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: ENDPOINT, body: chat(content, { max_tokens }) });

async function upload(content: string, purpose: 'batch' | 'user_data' = 'batch') {
  return client.files.create({ file: await toFile(Buffer.from(content), 'lines.jsonl'), purpose });
}

async function newBatch(content: string): Promise<Batch> {
  const { id } = await upload(content);
  return client.batches.create({ input_file_id: id, endpoint: ENDPOINT, completion_window: '24h' });
}

async function whenOver(id: string): Promise<Batch> {
  let batch = await client.batches.retrieve(id);
  await waitFor(async () => {
    batch = await client.batches.retrieve(id);
    return ['completed', 'cancelled', 'failed', 'expired'].includes(batch.status);
  });
  return batch;
}

test('files.create from a stream of the file system', async () => {
  const path = join(dir, 'from-disk.jsonl');
  await writeFile(path, 'from disk');
  const file = await client.files.create({ file: createReadStream(path), purpose: 'batch' });
  assert.equal(file.filename, 'from-disk.jsonl');
  assert.equal(file.bytes, 9);
  assert.equal(file.object, 'file');
});

test('files.create from toFile', async () => {
  const file = await upload('from memory');
  assert.equal(file.filename, 'lines.jsonl');
  assert.equal(file.purpose, 'batch');
  assert.ok(Math.abs(file.created_at - Date.now() / 1000) < 60);
});

test('files.create with expires_after', async () => {
  const file = await toFile(Buffer.from('for an hour'), 'hour.jsonl');
  const expires_after = { anchor: 'created_at' as const, seconds: 3600 };
  const created = await client.files.create({ file, purpose: 'user_data', expires_after });
  assert.equal(created.expires_at, created.created_at + 3600);
  const tooShort = client.files.create({
    file,
    purpose: 'user_data',
    expires_after: { ...expires_after, seconds: 60 },
  });
  await assert.rejects(tooShort, OpenAI.BadRequestError);
});

test('files.retrieve, and files.waitForProcessing that has nothing to wait for', async () => {
  const file = await upload('look me up');
  assert.deepEqual(await client.files.retrieve(file.id), file);
  assert.equal((await client.files.waitForProcessing(file.id)).status, 'processed');
  await assert.rejects(client.files.retrieve('file-nobody'), OpenAI.NotFoundError);
});

test('files.content gives back the same bytes', async () => {
  const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x0d, 0x0a]);
  const file = await client.files.create({ file: await toFile(bytes, 'raw'), purpose: 'user_data' });
  const content = await client.files.content(file.id);
  assert.deepEqual(Buffer.from(await content.arrayBuffer()), bytes);
});

test('files.list pages by itself, by purpose and in both orders', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await upload(`page ${i}`, 'user_data')).id);
  for (const order of ['asc', 'desc'] as const) {
    const seen: string[] = [];
    for await (const file of client.files.list({ purpose: 'user_data', order, limit: 2 })) seen.push(file.id);
    const ours = seen.filter(id => ids.includes(id));
    assert.deepEqual(ours, order === 'asc' ? ids : ids.toReversed());
  }
});

test('files.delete, and then it is a 404', async () => {
  const { id } = await upload('delete me');
  assert.deepEqual(await client.files.delete(id), { id, object: 'file', deleted: true });
  await assert.rejects(client.files.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(client.files.content(id), OpenAI.NotFoundError);
  await assert.rejects(client.files.delete(id), OpenAI.NotFoundError);
});

test('batches.create, then batches.retrieve until it is over, then its output', async () => {
  const created = await newBatch([1, 2, 3].map(i => line(`q${i}`, `question ${i}`)).join('\n'));
  assert.equal(created.object, 'batch');
  assert.equal(created.completion_window, '24h');
  const batch = await whenOver(created.id);
  assert.equal(batch.status, 'completed');
  assert.deepEqual(batch.request_counts, { total: 3, completed: 3, failed: 0 });
  const output = await (await client.files.content(batch.output_file_id ?? '')).text();
  const answers = output
    .trimEnd()
    .split('\n')
    .map(text => JSON.parse(text));
  assert.deepEqual(
    answers.map(answer => [answer.custom_id, answer.response.status_code]),
    [1, 2, 3].map(i => [`q${i}`, 200]),
  );
  assert.equal((await client.files.retrieve(batch.output_file_id ?? '')).purpose, 'batch_output');
});

test('batches.cancel', async () => {
  const lines = Array.from({ length: 300 }, (_, i) => line(`c${i}`, `long ${i}`, 2000));
  const { id } = await newBatch(lines.join('\n'));
  await waitFor(async () => (await client.batches.retrieve(id)).status === 'in_progress');
  assert.ok(['cancelling', 'cancelled'].includes((await client.batches.cancel(id)).status));
  assert.equal((await whenOver(id)).status, 'cancelled');
});

test('batches.list pages by itself across more than one page, newest first', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await newBatch(line('a', `listed ${i}`))).id);
  const seen: string[] = [];
  for await (const batch of client.batches.list({ limit: 2 })) seen.push(batch.id);
  assert.deepEqual(seen.slice(0, 5), ids.toReversed());
  assert.equal(new Set(seen).size, seen.length);
});

test('what is wrong with a batch is said with its parameter', async () => {
  const { id } = await upload('x', 'user_data');
  const asked = client.batches.create({ input_file_id: id, endpoint: ENDPOINT, completion_window: '24h' });
  const error = await asked.then(
    () => null,
    (err: unknown) => err,
  );
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, 'input_file_id');
});
