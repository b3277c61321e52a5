/** Files and batches through the official client: every line answered once, mistakes named by line, restarts survived. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI, { NotFoundError, toFile } from 'openai';
import { API_KEY, chat, errorOf, startStack, waitFor } from '../support/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';
const URL_CHAT = '/v1/chat/completions';
const lineOf = (id: string, body: object, more: object = {}) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: URL_CHAT, body, ...more });
const question = (i: number) => chat(`question ${i}`, { max_tokens: 4 });

interface OutputLine {
  custom_id: string;
  response: { status_code: number; body: { choices: { message: { content: string } }[] } } | null;
  error: { code: string } | null;
}

test('files and batches', async t => {
  await using stack = await startStack({
    engines: [
      { profile: 'dense-8b-h100', timeScale: 20, listSentinels: true },
      { profile: 'dense-8b-h100', timeScale: 20, listSentinels: true },
    ],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
    workerEnv: { PENSTOCK_ACK_WAIT_MS: '2000' },
    tasksEnv: { PENSTOCK_BATCH_WINDOW: '64' },
  });
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
  const stranger = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: OTHER_KEY, maxRetries: 0 });

  const uploadText = async (text: string | Uint8Array) =>
    client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
  const begin = async (text: string | Uint8Array) => {
    const file = await uploadText(text);
    return client.batches.create({ input_file_id: file.id, endpoint: URL_CHAT, completion_window: '24h' });
  };
  const whenOver = async (id: string) => {
    let batch = await client.batches.retrieve(id);
    await waitFor(async () => {
      batch = await client.batches.retrieve(id);
      return ['completed', 'failed', 'cancelled', 'expired'].includes(batch.status);
    }, 60_000);
    return batch;
  };
  const linesOf = async (fileId: string | null | undefined): Promise<OutputLine[]> => {
    if (!fileId) return [];
    const text = await (await client.files.content(fileId)).text();
    return text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as OutputLine);
  };

  await t.test('a file is kept byte for byte, listed, and forgotten when deleted', async () => {
    const text = 'any\r\nbytes \u00e4\n';
    const file = await uploadText(text);
    assert.equal(file.bytes, Buffer.byteLength(text));
    const twin = await uploadText(text);
    assert.equal(await (await client.files.content(file.id)).text(), text);
    assert.ok((await client.files.list({ purpose: 'batch' })).data.some(each => each.id === file.id));
    await client.files.delete(file.id);
    await assert.rejects(client.files.retrieve(file.id), NotFoundError);
    assert.equal(
      await (await client.files.content(twin.id)).text(),
      text,
      'another file has the same content',
    );
    await assert.rejects(stranger.files.content(twin.id), NotFoundError);
  });

  await t.test('every line is answered once; failures go to the error file', async () => {
    const bad = lineOf('bad', chat('x', { model: 'sim-400' }));
    const lines = [...Array.from({ length: 200 }, (_, i) => lineOf(`q${i}`, question(i))), bad];
    const batch = await whenOver((await begin(`\uFEFF${lines.join('\r\n')}\n`)).id);
    assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
    assert.deepEqual(batch.request_counts, { total: 201, completed: 200, failed: 1 });
    const output = await linesOf(batch.output_file_id);
    assert.deepEqual(
      output.map(line => line.custom_id),
      Array.from({ length: 200 }, (_, i) => `q${i}`),
    );
    for (const [i, line] of output.entries()) {
      const expected = expectedTokens(promptHash(question(i)), 4).join('');
      assert.equal(line.response?.body.choices[0]?.message.content, expected);
    }
    const [failed] = await linesOf(batch.error_file_id);
    assert.equal(failed?.custom_id, 'bad');
    assert.equal(failed?.response?.status_code, 400);
  });

  await t.test('mistakes in the file are named with their line', async () => {
    const good = lineOf('a', question(1));
    const cases: [name: string, content: string | Uint8Array, code: string, line: number | null][] = [
      ['empty', '', 'empty_file', null],
      ['blank lines only', '\n\r\n \n', 'empty_file', null],
      ['no JSON', `${good}\n{oops\n`, 'invalid_json_line', 2],
      ['no custom_id', lineOf('', question(1)), 'missing_required_parameter', 1],
      ['twice the same custom_id', `${good}\n${good}`, 'duplicate_custom_id', 2],
      ['another url', lineOf('a', question(1), { url: '/v1/embeddings' }), 'invalid_url', 1],
      ['another method', lineOf('a', question(1), { method: 'GET' }), 'invalid_method', 1],
      ['unknown model', lineOf('a', chat('x', { model: 'nobody' })), 'model_not_found', 1],
      ['a stream', lineOf('a', chat('x', { stream: true })), 'invalid_request', 1],
      ['no messages', lineOf('a', { model: 'sim-chat' }), 'invalid_request', 1],
      ['not UTF-8', new Uint8Array([0xff, 0xfe, 0x0a]), 'invalid_encoding', 1],
      ['too many lines', '{}\n'.repeat(50_001).replaceAll('{}', '1'), 'invalid_json_line', 1],
    ];
    for (const [name, content, code, line] of cases) {
      const batch = await whenOver((await begin(content)).id);
      assert.equal(batch.status, 'failed', name);
      assert.equal(batch.errors?.data?.[0]?.code, code, name);
      assert.equal(batch.errors?.data?.[0]?.line ?? null, line, name);
    }
  });

  await t.test('cancelling keeps what was done and says what was not', async () => {
    const lines = Array.from({ length: 400 }, (_, i) =>
      lineOf(`c${i}`, chat(`long ${i}`, { max_tokens: 400 })),
    );
    const { id } = await begin(lines.join('\n'));
    await waitFor(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 0);
    for (let i = 0; i < 2; i++)
      assert.ok(['cancelling', 'cancelled'].includes((await client.batches.cancel(id)).status));
    const batch = await whenOver(id);
    assert.equal(batch.status, 'cancelled');
    const [output, errors] = [await linesOf(batch.output_file_id), await linesOf(batch.error_file_id)];
    assert.equal(output.length + errors.length, 400);
    assert.ok(output.length > 0 && errors.length > 0);
    assert.ok(errors.every(line => line.error?.code === 'batch_cancelled'));
  });

  await t.test('a tasks process and a worker killed in the middle cost time, not lines', async () => {
    const lines = Array.from({ length: 600 }, (_, i) => lineOf(`r${i}`, question(i)));
    const { id } = await begin(lines.join('\n'));
    await waitFor(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 50);
    stack.tasks[0]?.kill('SIGKILL');
    stack.workers[0]?.kill('SIGKILL');
    stack.tasks[0] = await stack.startTasks();
    stack.workers[0] = await stack.startWorker(0, 'w-again');
    const batch = await whenOver(id);
    assert.equal(batch.status, 'completed');
    const output = await linesOf(batch.output_file_id);
    assert.deepEqual(
      output.map(line => line.custom_id),
      Array.from({ length: 600 }, (_, i) => `r${i}`),
    );
  });

  await t.test('batches are listed page by page; strangers see none; bad orders are refused', async () => {
    const page = await client.batches.list({ limit: 2 });
    assert.equal(page.data.length, 2);
    let count = 0;
    for await (const _batch of client.batches.list({ limit: 5 })) count++;
    assert.ok(count > 10);
    assert.equal((await stranger.batches.list()).data.length, 0);
    await assert.rejects(stranger.batches.retrieve(page.data[0]?.id ?? ''), NotFoundError);
    await assert.rejects(client.batches.retrieve('batch_nobody'), NotFoundError);
    const bodies = [
      { input_file_id: 'file-nobody', endpoint: URL_CHAT, completion_window: '24h' },
      { input_file_id: 'x', endpoint: '/v1/telepathy', completion_window: '24h' },
      { input_file_id: 'x', endpoint: URL_CHAT, completion_window: '1h' },
    ];
    const params: (string | null)[] = [];
    for (const body of bodies) {
      const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
      const answer = await fetch(`${stack.url}/v1/batches`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      params.push((await errorOf(answer)).param);
    }
    assert.deepEqual(params, [null, 'endpoint', 'completion_window']);
  });
});
