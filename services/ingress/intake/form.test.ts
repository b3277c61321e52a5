import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormFields } from './form.ts';
import { FieldLocator, FormDigest, withSpan } from './form-scan.ts';

async function formOf(fields: Record<string, string | Blob>) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const sent = new Response(form);
  const body = Buffer.from(await sent.arrayBuffer());
  return { body, contentType: sent.headers.get('content-type') ?? '' };
}

function* inPieces(body: Buffer, bytes: number): Generator<Buffer> {
  for (let at = 0; at < body.length; at += bytes) yield body.subarray(at, at + bytes);
}

async function readForm(body: Buffer, contentType: string, bytes = 64 * 1024) {
  const fields = new FormFields(contentType);
  for (const piece of inPieces(body, bytes)) await fields.push(piece);
  return fields.end();
}

function locate(body: Buffer, contentType: string, bytes: number) {
  const locator = new FieldLocator(contentType, 'model');
  for (const piece of inPieces(body, bytes)) locator.push(piece);
  return locator.found;
}

test('the fields of a form are read, of a file only its name, however it was cut', async () => {
  const file = new File([new Uint8Array(200_000)], 'a.wav', { type: 'audio/wav' });
  const { body, contentType } = await formOf({ file, model: 'whisper', __proto__x: 'y' });
  const fields = { file: 'a.wav', model: 'whisper', __proto__x: 'y' };
  for (const bytes of [body.length, 65_536, 1000])
    assert.deepEqual(await readForm(body, contentType, bytes), fields);
});

test('what is not a whole form is refused', async () => {
  const { body, contentType } = await formOf({ model: 'm' });
  const refused = (bytes: Buffer, type: string) =>
    assert.rejects(async () => readForm(bytes, type), { code: 'invalid_request' });
  await refused(body, 'multipart/form-data');
  await refused(body.subarray(0, -10), contentType);
  await refused(Buffer.from('{"model":"m"}'), contentType);
  const recording = await formOf({ model: 'm', file: new File([new Uint8Array(200_000)], 'a.wav') });
  for (const bytes of [1000, 150_000])
    await refused(recording.body.subarray(0, bytes), recording.contentType);
});

test('the same form sent again is the same but for its boundary, however it was cut', async () => {
  const digest = ({ body, contentType }: Awaited<ReturnType<typeof formOf>>, bytes: number) => {
    const made = new FormDigest(contentType);
    for (const piece of inPieces(body, bytes)) made.push(piece);
    return made.digest().toString('hex');
  };
  const [one, two] = [await formOf({ model: 'm', prompt: 'p' }), await formOf({ model: 'm', prompt: 'p' })];
  assert.notDeepEqual(one.body, two.body);
  for (let bytes = 1; bytes < one.body.length; bytes++) assert.equal(digest(two, bytes), digest(one, 1e6));
  const other = await formOf({ model: 'm', prompt: 'q' });
  assert.notEqual(digest(other, 1e6), digest(one, 1e6));
});

test('a text field is found wherever it stands, at every cut, and what looks like one is not', async () => {
  const type = 'multipart/form-data; boundary="x-y"';
  const part = (head: string, value: string) =>
    `--x-y\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`;
  const file = part('name="file"; filename="model"', '\r\n\r\nname="model"\r\n\r\nold\r\n--x-');
  const others = [file, part('name="models"', 'old'), part('name="a"', '1')];
  for (let place = 0; place <= others.length; place++) {
    const form = (model: string) =>
      Buffer.from(`${others.toSpliced(place, 0, part('name="model"', model)).join('')}--x-y--\r\n`);
    for (const model of ['old', ''])
      for (let bytes = 1; bytes <= form(model).length; bytes++) {
        const found = locate(form(model), type, bytes) ?? assert.fail('not found');
        assert.equal(withSpan(form(model), found, 'org/New').toString(), form('org/New').toString());
      }
    assert.equal((await readForm(form('org/New'), type))['model'], 'org/New');
  }
  const none = `${others.join('')}--x-y--\r\n`;
  for (const form of [none, '', '--x-y', '--x-y\r\n\r\n', 'nothing', `--x-y${'x'.repeat(100_000)}`])
    for (const bytes of [1, 7, 1000]) assert.equal(locate(Buffer.from(form), type, bytes), null);
  assert.equal(locate(Buffer.from(none), 'multipart/form-data', 100), null);
});
