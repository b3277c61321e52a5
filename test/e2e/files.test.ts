/** OpenAI's Files API through the official client and by hand: nothing lost, nothing left behind, lists that hold still. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import OpenAI, { BadRequestError, NotFoundError, toFile } from 'openai';
import { batchesOf, lineOf, question } from '../../testkit/batches.ts';
import { API_KEY, errorOf, startStack, waitFor } from '../../testkit/stack.ts';

const OTHER_KEY = 'sk-penstock-other-key';

test('files', async t => {
  await using stack = await startStack({
    engines: [{ profile: 'instant' }],
    ingressEnv: { PENSTOCK_API_KEYS: `${API_KEY},${OTHER_KEY}` },
    tasksEnv: {},
  });
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
  const stranger = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: OTHER_KEY, maxRetries: 0 });
  const { upload, begin, whenOver } = batchesOf(client);
  const stored = async () => (await readdir(stack.filesDir)).sort();
  const headers = { authorization: `Bearer ${API_KEY}` };
  const send = (form: FormData, more: Record<string, string> = {}) =>
    fetch(`${stack.url}/v1/files`, { method: 'POST', headers: { ...headers, ...more }, body: form });
  const formOf = (fields: Record<string, string | Blob>) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    return form;
  };

  await t.test('a file is kept byte for byte, listed, and forgotten when deleted', async () => {
    const bytes = Buffer.concat([Buffer.from('any\r\nbytes \u00e4\0\n'), randomBytes(300_000)]);
    const file = await upload(bytes, 'Größe "1".jsonl');
    assert.deepEqual([file.object, file.bytes, file.purpose], ['file', bytes.length, 'batch']);
    assert.equal(file.status, 'processed');
    assert.equal((await client.files.waitForProcessing(file.id)).id, file.id);
    // Cut at its longest in the middle of a character.
    const twin = await upload(bytes, `${'a'.repeat(254)}\u{1f600}.jsonl`);
    assert.equal((await stored()).length, 1, 'one content');
    const content = await client.files.content(file.id);
    assert.equal(content.headers.get('content-type'), 'application/octet-stream');
    assert.match(content.headers.get('content-disposition') ?? '', /^attachment; filename\*=UTF-8''Gr%C3%B6/);
    assert.ok(Buffer.from(await content.arrayBuffer()).equals(bytes));
    assert.equal((await client.files.delete(file.id)).deleted, true);
    await assert.rejects(client.files.retrieve(file.id), NotFoundError);
    await assert.rejects(client.files.delete(file.id), NotFoundError);
    assert.equal((await (await client.files.content(twin.id)).arrayBuffer()).byteLength, bytes.length);
    for (const ask of [
      () => stranger.files.content(twin.id),
      () => stranger.files.retrieve(twin.id),
      () => stranger.files.delete(twin.id),
    ])
      await assert.rejects(ask, NotFoundError);
    await client.files.delete(twin.id);
    assert.deepEqual(await stored(), []);
  });

  await t.test(
    'a content that has another length in the store is an error or cut off, and never runs into the next answer',
    async () => {
      for (const [text, becomes] of [
        ['as it was put', 'as it was put, and more that nobody put there'],
        ['as it was put there', 'as it'],
      ] as const) {
        const file = await upload(text);
        const [name = ''] = await stored();
        await writeFile(join(stack.filesDir, name), becomes);
        const answer = await fetch(`${stack.url}/v1/files/${file.id}/content`, { headers });
        const told = await answer.text().catch(() => 'cut off');
        assert.ok(told === 'cut off' || answer.status === 500, `${answer.status} ${told}`);
        await client.files.delete(file.id);
      }
      assert.equal((await fetch(`${stack.url}/v1/files`, { headers })).status, 200);
    },
  );

  await t.test('an upload sent again because its answer was lost is the same file', async () => {
    const form = () => formOf({ file: new Blob(['once'], {}), purpose: 'user_data' });
    const first = (await (await send(form())).json()) as { id: string };
    const again = (await (await send(form(), { 'x-stainless-retry-count': '1' })).json()) as { id: string };
    const other = (await (await send(form())).json()) as { id: string };
    assert.equal(again.id, first.id);
    assert.notEqual(other.id, first.id);
    for (const { id } of [first, other]) await client.files.delete(id);
  });

  await t.test('an upload that breaks off leaves nothing', async () => {
    const before = await stored();
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1');
    const head =
      '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\ncontent-type: text/plain\r\n\r\n';
    socket.write(
      `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${API_KEY}\r\ncontent-length: 9000000\r\ncontent-type: multipart/form-data; boundary=b\r\n\r\n${head}`,
    );
    socket.write(Buffer.alloc(1_000_000));
    await waitFor(async () => (await stored()).length === before.length + 1);
    socket.destroy();
    await waitFor(async () => (await stored()).length === before.length);
  });

  await t.test('bad uploads are refused by what is wrong, and leave nothing', async () => {
    const before = await stored();
    const file = new Blob(['x']);
    const life = (anchor: string, seconds: string) => ({
      'expires_after[anchor]': anchor,
      'expires_after[seconds]': seconds,
    });
    const cases: [string, Record<string, string | Blob>, string | null][] = [
      ['no purpose', { file }, 'purpose'],
      ['unknown purpose', { file, purpose: 'batch_output' }, 'purpose'],
      ['no file', { purpose: 'batch' }, 'file'],
      ['the file as a text', { purpose: 'batch', file: 'x' }, 'file'],
      ['another field', { document: file, purpose: 'batch' }, 'file'],
      ['short life', { file, purpose: 'batch', ...life('created_at', '3599') }, 'expires_after.seconds'],
      ['odd anchor', { file, purpose: 'batch', ...life('now', '3600') }, 'expires_after.anchor'],
    ];
    for (const [name, fields, param] of cases) {
      const answer = await send(formOf(fields));
      assert.equal(answer.status, 400, name);
      assert.equal((await errorOf(answer)).param, param, name);
    }
    const two = formOf({ purpose: 'batch' });
    two.append('file', file, 'a');
    two.append('file', new Blob(['y']), 'b');
    assert.match((await errorOf(await send(two))).message, /one file/);
    const garbled = await fetch(`${stack.url}/v1/files`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nno end',
    });
    assert.equal(garbled.status, 400);
    assert.match((await errorOf(garbled)).message, /broke off/);
    const json = await fetch(`${stack.url}/v1/files`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{}',
    });
    assert.equal(json.status, 415);
    await waitFor(async () => (await stored()).length === before.length);
  });

  await t.test('a batch file of more than 200 MB is refused, and leaves nothing', async () => {
    const before = await stored();
    const megabyte = new Blob([Buffer.alloc(1024 * 1024, 0x61)]);
    const file = new Blob([...Array.from({ length: 200 }, () => megabyte), 'b']);
    const answer = await send(formOf({ file, purpose: 'batch' }));
    assert.equal(answer.status, 413);
    assert.match((await errorOf(answer)).message, /200 MB/);
    assert.deepEqual(await stored(), before);
  });

  await t.test('files end when their time is over', async () => {
    const file = await client.files.create({
      file: await toFile(Buffer.from('brief'), 'brief.txt'),
      purpose: 'user_data',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    });
    assert.equal(file.expires_at, file.created_at + 3600);
    const input = await upload('a');
    assert.equal(input.expires_at, input.created_at + 30 * 24 * 3600, 'as at OpenAI');
  });

  await t.test('pages hold still while files come and go', async () => {
    for (const file of (await client.files.list()).data) await client.files.delete(file.id);
    const ids: string[] = [];
    for (let i = 0; i < 30; i++) ids.push((await upload(`content ${i}`)).id);
    const extra = await client.files.create({ file: await toFile(Buffer.from('x'), 'x'), purpose: 'evals' });
    const seen: string[] = [];
    for await (const file of client.files.list({ purpose: 'batch', limit: 7, order: 'asc' })) {
      seen.push(file.id);
      // What the reader stands on goes; new ones come at the end.
      if (seen.length <= 30) await client.files.delete(file.id);
      if (seen.length <= 5) ids.push((await upload(`late ${seen.length}`)).id);
    }
    assert.deepEqual(seen, ids, 'oldest first: the late ones too');
    assert.deepEqual(
      (await client.files.list()).data.map(file => file.id),
      [...ids.slice(30).reverse(), extra.id].sort((a, b) => order(a) - order(b)),
    );
    function order(id: string): number {
      const late = ids.indexOf(id);
      return late < 0 ? 0 : -late;
    }
    await assert.rejects(client.files.list({ after: 'file-nobody' }), BadRequestError);
    await assert.rejects(client.files.list({ limit: 10_001 }), BadRequestError);
    const first = await client.files.list({ limit: 1 });
    assert.equal((await client.files.list({ after: first.data[0]?.id ?? '' })).data.length, 5);
    assert.equal((await stranger.files.list()).data.length, 0);
  });

  await t.test('pages of batches hold still while batches come', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 12; i++) ids.push((await begin(lineOf('a', question(i)))).id);
    const seen: string[] = [];
    for await (const batch of client.batches.list({ limit: 5 })) {
      seen.push(batch.id);
      if (seen.length % 3 === 0) await begin(lineOf('a', question(`late ${seen.length}`)));
    }
    assert.deepEqual(seen, ids.reverse());
    assert.equal((await stranger.batches.list()).data.length, 0);
    await assert.rejects(stranger.batches.retrieve(seen[0] ?? ''), NotFoundError);
    await assert.rejects(stranger.batches.cancel(seen[0] ?? ''), NotFoundError);
    await assert.rejects(client.batches.list({ limit: 101 }), BadRequestError);
    await assert.rejects(client.batches.list({ after: 'batch_nobody' }), BadRequestError);
    for (const id of seen) await whenOver(id);
  });
});
