import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readForm, withoutBoundary } from './form.ts';

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
