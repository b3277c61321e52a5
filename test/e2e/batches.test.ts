/** Batches through the official client: every line answered once, mistakes named by line, ends of all kinds, restarts survived. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedTokens, promptHash } from '@penstock/engine-sim';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { batchesOf, lineOf, type OutputLine, question, URL_CHAT } from '../../testkit/batches.ts';
import { API_KEY, chat, errorOf, post, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const FAST = { profile: 'dense-8b-h100', timeScale: 20, listSentinels: true };
const idsOf = (lines: readonly OutputLine[]) => lines.map(line => line.custom_id);
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

function clientOf(stack: Stack): OpenAI {
  return new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
}

test('batches', async t => {
  await using stack = await startStack({
    engines: [FAST, FAST],
    leaseMs: 2000,
    tasksEnv: { PENSTOCK_BATCH_WINDOW: '64' },
  });
  const client = clientOf(stack);
  const { upload, begin, whenOver, linesOf } = batchesOf(client);

  await t.test('every line is answered once; failures go to the error file', async () => {
    const bad = lineOf('bad', chat('x', { model: 'sim-400' }));
    const broken = lineOf('broken', chat('x', { model: 'sim-fail' }));
    const lines = [...Array.from({ length: 200 }, (_, i) => lineOf(`q${i}`, question(i))), bad, broken];
    const metadata = { purpose: 'test' };
    const batch = await whenOver((await begin(lines.join('\n'), { metadata })).id);
    assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
    assert.deepEqual(batch.request_counts, { total: 202, completed: 200, failed: 2 });
    assert.deepEqual(batch.metadata, metadata);
    for (const at of [batch.in_progress_at, batch.finalizing_at, batch.completed_at])
      assert.ok(at && at >= batch.created_at);
    const output = await linesOf(batch.output_file_id);
    assert.deepEqual(idsOf(output), names('q', 200));
    for (const [i, line] of output.entries()) {
      const expected = expectedTokens(promptHash(question(i)), 4).join('');
      assert.equal(line.response?.body.choices?.[0]?.message.content, expected);
      assert.equal(line.error, null);
    }
    assert.equal(batch.usage?.output_tokens, 800);
    assert.equal(batch.usage?.total_tokens, batch.usage.input_tokens + 800);
    const failed = await linesOf(batch.error_file_id);
    assert.deepEqual(idsOf(failed), ['bad', 'broken']);
    assert.deepEqual(
      failed.map(line => line.response?.status_code),
      [400, 502],
    );
    assert.ok(failed.every(line => line.response?.body.error?.message && line.error === null));
  });

  await t.test('every endpoint: responses, completions and embeddings', async () => {
    const asked = [
      ['/v1/responses', { model: 'sim-chat', input: 'hello', max_output_tokens: 16 }],
      ['/v1/completions', { model: 'sim-chat', prompt: 'hello', max_tokens: 3 }],
      ['/v1/embeddings', { model: 'sim-embed', input: ['a', 'b'] }],
    ] as const;
    const bodies = [];
    for (const [url, body] of asked) {
      const batch = await whenOver((await begin(lineOf('a', body, { url }), { endpoint: url })).id);
      assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
      assert.equal(batch.model, body.model);
      assert.ok((batch.usage?.total_tokens ?? 0) > 0);
      bodies.push((await linesOf(batch.output_file_id))[0]?.response?.body);
    }
    const [response, completion, embedding] = bodies;
    assert.equal(response?.object, 'response');
    const same = { model: 'sim-chat', messages: [{ role: 'user', content: 'hello' }] };
    const text = expectedTokens(promptHash(same), 16).join('');
    assert.equal(response.output?.[0]?.content[0]?.text, text);
    assert.equal(completion?.object, 'text_completion');
    assert.equal(embedding?.data?.length, 2);
  });

  await t.test('a byte order mark, CRLF and a blank last line are no mistakes', async () => {
    const text = `\uFEFF${lineOf('a', question(1))}\r\n\r\n${lineOf('b', question(2))}\r\n \n`;
    const batch = await whenOver((await begin(text)).id);
    assert.deepEqual(batch.request_counts, { total: 2, completed: 2, failed: 0 });
    assert.deepEqual(idsOf(await linesOf(batch.output_file_id)), ['a', 'b']);
  });

  const good = lineOf('a', question(1));
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const many = Array.from({ length: 50_001 }, (_, i) => lineOf(`m${i}`, chat('x'))).join('\n');
  const mistakes: [name: string, content: string | Uint8Array, code: string, line: number | null][] = [
    ['an empty file', '', 'empty_file', null],
    ['blank lines only', '\n\r\n \n', 'empty_file', null],
    ['a byte order mark only', '\uFEFF', 'empty_file', null],
    ['no JSON', `${good}\n{oops\n`, 'invalid_json_line', 2],
    ['no object', `${good}\n[]\n`, 'invalid_json_line', 2],
    ['a line nested too deeply', `${'['.repeat(1e5)}\n`, 'invalid_json_line', 1],
    ['no custom_id', lineOf('', question(1)), 'missing_required_parameter', 1],
    ['no body', lineOf('a', question(1), { body: undefined }), 'missing_required_parameter', 1],
    ['a duplicate custom_id', `${good}\n\n${good}`, 'duplicate_custom_id', 3],
    ['a wrong url', lineOf('a', question(1), { url: '/v1/embeddings' }), 'invalid_url', 1],
    ['another method', lineOf('a', question(1), { method: 'GET' }), 'invalid_method', 1],
    ['an unknown model', lineOf('a', chat('x', { model: 'nobody' })), 'model_not_found', 1],
    ['a stream', lineOf('a', chat('x', { stream: true })), 'invalid_request', 1],
    ['no messages', lineOf('a', { model: 'sim-chat' }), 'invalid_request', 1],
    ['invalid UTF-8', Buffer.from(`${good}\n"\xff"`, 'latin1'), 'invalid_encoding', 2],
    ['UTF-16', Buffer.from(`\uFEFF${good}`, 'utf16le'), 'invalid_encoding', 1],
    ['a binary file', png, 'invalid_encoding', 1],
    ['50,001 lines', many, 'too_many_requests', 50_001],
  ];
  for (const [name, content, code, line] of mistakes)
    await t.test(`${name} fails the batch and is named`, async () => {
      const batch = await whenOver((await begin(content)).id);
      assert.equal(batch.status, 'failed');
      assert.equal(batch.errors?.data?.[0]?.code, code);
      assert.equal(batch.errors?.data?.[0]?.line ?? null, line);
      assert.ok(batch.failed_at && !batch.output_file_id && !batch.error_file_id);
    });

  await t.test('at most 100 mistakes are listed', async () => {
    const batch = await whenOver((await begin('{}\n'.repeat(500))).id);
    assert.equal(batch.errors?.data?.length, 100);
  });

  await t.test('cancelled mid-way, a batch keeps what was done and says what was not', async () => {
    const lines = names('c', 400).map(id => lineOf(id, question(id, 400)));
    const { id } = await begin(lines.join('\n'));
    await waitFor(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 0);
    for (let i = 0; i < 2; i++)
      assert.ok(['cancelling', 'cancelled'].includes((await client.batches.cancel(id)).status));
    const batch = await whenOver(id);
    assert.equal(batch.status, 'cancelled');
    const [output, errors] = [await linesOf(batch.output_file_id), await linesOf(batch.error_file_id)];
    assert.deepEqual([...idsOf(output), ...idsOf(errors)].sort(), names('c', 400).sort());
    assert.ok(output.length > 0 && errors.length > 0);
    assert.ok(errors.every(line => line.error?.code === 'batch_cancelled' && line.response === null));
    assert.equal((await client.batches.cancel(id)).status, 'cancelled', 'once more changes nothing');
    await waitFor(() => stack.engines.every(engine => engine.stats().running === 0));
  });

  await t.test('what is over cannot be cancelled, and stays as it is', async () => {
    const { id } = await begin(good);
    await whenOver(id);
    await assert.rejects(client.batches.cancel(id), BadRequestError);
    assert.equal((await client.batches.retrieve(id)).status, 'completed');
  });

  await t.test('the input may be deleted while the batch runs', async () => {
    const lines = names('d', 200).map(id => lineOf(id, question(id, 200)));
    const batch = await begin(lines.join('\n'));
    await client.files.delete(batch.input_file_id);
    assert.equal((await linesOf((await whenOver(batch.id)).output_file_id)).length, 200);
  });

  await t.test('the same Idempotency-Key makes one batch', async () => {
    const file = await upload(good);
    const body = { input_file_id: file.id, endpoint: URL_CHAT, completion_window: '24h' };
    const headers = { 'idempotency-key': 'once' };
    const ask = (more: object = {}) => post(stack, '/v1/batches', { ...body, ...more }, { headers });
    const ids = await Promise.all(
      [ask(), ask(), ask()].map(async answer => ((await (await answer).json()) as { id: string }).id),
    );
    assert.equal(new Set(ids).size, 1);
    const other = await ask({ metadata: { a: 'b' } });
    assert.equal((await errorOf(other)).code, 'idempotency_key_reused');
  });

  await t.test('restarted mid-way, tasks and a worker cost time, not lines', async () => {
    const lines = names('r', 600).map(id => lineOf(id, question(id)));
    const { id } = await begin(lines.join('\n'));
    await waitFor(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 50);
    stack.tasks[0]?.kill('SIGKILL');
    stack.workers[0]?.kill('SIGKILL');
    stack.tasks[0] = await stack.startTasks();
    stack.workers[0] = await stack.startWorker(0, 'w-again');
    let before = 0;
    await waitFor(async () => {
      const { status, request_counts: counts } = await client.batches.retrieve(id);
      assert.ok((counts?.completed ?? 0) >= before, 'progress does not go back');
      before = counts?.completed ?? 0;
      return status === 'completed';
    });
    const batch = await client.batches.retrieve(id);
    assert.deepEqual(idsOf(await linesOf(batch.output_file_id)), names('r', 600));
  });

  await t.test('bad orders are refused by field', async () => {
    const file = await upload(good);
    const right = { input_file_id: file.id, endpoint: URL_CHAT, completion_window: '24h' };
    const pairs = Object.fromEntries(names('k', 17).map(key => [key, 'v']));
    const wrong: [object, string | null][] = [
      [{ input_file_id: 'file-nobody' }, null],
      [{ input_file_id: undefined }, 'input_file_id'],
      [{ endpoint: '/v1/telepathy' }, 'endpoint'],
      [{ completion_window: '1h' }, 'completion_window'],
      [{ metadata: pairs }, 'metadata'],
      [{ metadata: { ['k'.repeat(65)]: 'v' } }, `metadata.${'k'.repeat(65)}`],
      [{ metadata: { k: 'v'.repeat(513) } }, 'metadata.k'],
      [{ output_expires_after: { anchor: 'now', seconds: 3600 } }, 'output_expires_after.anchor'],
      [{ output_expires_after: { anchor: 'created_at', seconds: 60 } }, 'output_expires_after.seconds'],
    ];
    for (const [change, param] of wrong) {
      const answer = await post(stack, '/v1/batches', { ...right, ...change });
      assert.equal((await errorOf(answer)).param, param, JSON.stringify(change));
    }
    await assert.rejects(client.batches.retrieve('batch_nobody'), NotFoundError);
    await assert.rejects(client.batches.cancel('batch_nobody'), NotFoundError);
  });
});

test('a batch that is cancelled before it was checked ends, whatever is in its file', async t => {
  await using stack = await startStack({ engines: [FAST] });
  const { begin, whenOver, linesOf } = batchesOf(clientOf(stack));
  const client = clientOf(stack);
  const [binary, good] = await Promise.all([
    begin(Buffer.from([0xff, 0xfe, 0x0a])),
    begin(lineOf('a', question(1))),
  ]);
  for (const { id } of [binary, good]) assert.equal((await client.batches.cancel(id)).status, 'cancelling');
  stack.tasks.push(await stack.startTasks());
  await t.test('mistakes are named', async () => {
    const batch = await whenOver(binary.id, 10_000);
    assert.equal(batch.status, 'failed');
    assert.equal(batch.errors?.data?.[0]?.code, 'invalid_encoding');
  });
  await t.test('lines are said to be cancelled', async () => {
    const batch = await whenOver(good.id, 10_000);
    assert.equal(batch.status, 'cancelled');
    assert.deepEqual(
      (await linesOf(batch.error_file_id)).map(line => line.error?.code),
      ['batch_cancelled'],
    );
  });
  await t.test('nor does it wait for batches that nobody has room for', async () => {
    const [worker] = stack.workers;
    process.kill(worker?.pid ?? 0, 'SIGSTOP');
    const stuck = await Promise.all(names('s', 5).map(id => begin(lineOf(id, question(id)))));
    await waitFor(async () => {
      const now = await Promise.all(stuck.map(({ id }) => client.batches.retrieve(id)));
      return now.every(({ status }) => status === 'in_progress');
    });
    assert.equal((await whenOver((await begin('no JSON')).id, 10_000)).status, 'failed');
    for (const { id } of stuck) await client.batches.cancel(id);
    for (const { id } of stuck) assert.equal((await whenOver(id, 10_000)).status, 'cancelled');
    process.kill(worker?.pid ?? 0, 'SIGCONT');
  });
});

test('expired mid-way, a batch keeps what was done and says what was not', async () => {
  await using stack = await startStack({
    engines: [{ profile: 'dense-8b-h100' }],
    ingressEnv: { PENSTOCK_BATCH_LIFE_S: '4' },
    tasksEnv: { PENSTOCK_BATCH_WINDOW: '8', PENSTOCK_BATCH_ONE_MODEL: 'true' },
  });
  const { begin, whenOver, linesOf } = batchesOf(clientOf(stack));
  const ids = names('e', 200);
  // On a machine of any speed the first ones are done by then, and the last ones are not.
  const lines = ids.map((id, i) => lineOf(id, question(id, i < 20 ? 1 : 5000)));
  const output_expires_after = { anchor: 'created_at', seconds: 3600 } as const;
  const batch = await whenOver((await begin(lines.join('\n'), { output_expires_after })).id);
  assert.equal(batch.status, 'expired');
  assert.ok((batch.expired_at ?? 0) >= (batch.expires_at ?? 0));
  const [output, errors] = [await linesOf(batch.output_file_id), await linesOf(batch.error_file_id)];
  assert.ok(output.length > 0 && errors.length > 0);
  assert.deepEqual([...idsOf(output), ...idsOf(errors)].sort(), ids.toSorted());
  assert.ok(errors.every(line => line.error?.code === 'batch_expired'));
  const { expires_at, created_at } = await clientOf(stack).files.retrieve(batch.output_file_id ?? '');
  assert.equal(expires_at, created_at + 3600);

  const two = `${lineOf('a', question(1))}\n${lineOf('b', chat('x', { model: 'sim-embed' }))}`;
  const mixed = await whenOver((await begin(two)).id);
  assert.deepEqual(
    mixed.errors?.data?.map(({ code, line }) => [code, line]),
    [['mismatched_model', 2]],
  );
});
