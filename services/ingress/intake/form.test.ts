import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readForm, withFormField, withoutBoundary } from './form.ts';

async function formOf(fields: Record<string, string | Blob>) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const sent = new Response(form);
  const body = Buffer.from(await sent.arrayBuffer());
  return { body, contentType: sent.headers.get('content-type') ?? '' };
}

test('the fields of a form are read, of a file only its name', async () => {
  const file = new File([new Uint8Array(200_000)], 'a.wav', { type: 'audio/wav' });
  const { body, contentType } = await formOf({ file, model: 'whisper', __proto__x: 'y' });
  assert.deepEqual(await readForm(body, contentType), { file: 'a.wav', model: 'whisper', __proto__x: 'y' });
});

test('what is no whole form is refused', async () => {
  const { body, contentType } = await formOf({ model: 'm' });
  const refused = (bytes: Buffer, type: string) =>
    assert.rejects(readForm(bytes, type), { code: 'invalid_request' });
  await refused(body, 'multipart/form-data');
  await refused(body.subarray(0, -10), contentType);
  await refused(Buffer.from('{"model":"m"}'), contentType);
});

test('the same form sent again is the same but for its boundary', async () => {
  const [one, two] = [await formOf({ model: 'm', prompt: 'p' }), await formOf({ model: 'm', prompt: 'p' })];
  assert.notDeepEqual(one.body, two.body);
  assert.deepEqual(withoutBoundary(one.body, one.contentType), withoutBoundary(two.body, two.contentType));
  const other = await formOf({ model: 'm', prompt: 'q' });
  assert.notDeepEqual(
    withoutBoundary(one.body, one.contentType),
    withoutBoundary(other.body, other.contentType),
  );
});

test('a text field of a form is set in its bytes, and what looks like one is not', async () => {
  const type = 'multipart/form-data; boundary="x-y"';
  const part = (head: string, value: string) =>
    `--x-y\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`;
  const file = part('name="file"; filename="model"', '\r\n\r\nname="model"\r\n\r\nold');
  const form = (model: string) =>
    Buffer.from(
      `${file}${part('name="models"', 'old')}${part('name="model"', model)}${part('name="a"', '1')}--x-y--\r\n`,
    );
  assert.equal(withFormField(form('old'), type, 'model', 'org/New').toString(), form('org/New').toString());
  assert.equal((await readForm(withFormField(form(''), type, 'model', 'n'), type))['model'], 'n');
  const without = Buffer.from(`${file}--x-y--\r\n`);
  assert.equal(withFormField(without, type, 'model', 'n'), without);
  for (const broken of ['', '--x-y', '--x-y\r\n\r\n', 'nothing'])
    assert.equal(withFormField(Buffer.from(broken), type, 'model', 'n').toString(), broken);
});
