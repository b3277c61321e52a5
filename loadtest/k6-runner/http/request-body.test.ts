import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBody, FileData } from './request-body.ts';

test('text and bytes travel as they are', () => {
  assert.deepEqual(encodeBody('{"a":1}'), { body: '{"a":1}', contentType: null });
  assert.deepEqual(encodeBody(new Uint8Array([1, 2]).buffer).body, Buffer.from([1, 2]));
  assert.deepEqual(encodeBody(null), { body: null, contentType: null });
  assert.throws(() => encodeBody(5), /cannot be a number/);
});

test('an object becomes a form', () => {
  assert.deepEqual(encodeBody({ a: 'x y', b: 2, c: ['1', '2'] }), {
    body: 'a=x+y&b=2&c=1&c=2',
    contentType: 'application/x-www-form-urlencoded',
  });
});

test('an object with a file becomes a multipart form that a standard parser reads', async () => {
  const bytes = new Uint8Array([0, 255, 13, 10]).buffer;
  const { body, contentType } = encodeBody({
    purpose: 'batch',
    file: new FileData('{"x":1}\n', 'lines.jsonl', 'application/jsonl'),
    raw: new FileData(bytes, 'a"b.bin'),
  });
  assert.ok(body instanceof Buffer && contentType !== null);
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': contentType },
  }).formData();
  assert.equal(form.get('purpose'), 'batch');
  const file = form.get('file');
  assert.ok(file instanceof File);
  assert.deepEqual(
    [file.name, file.type, await file.text()],
    ['lines.jsonl', 'application/jsonl', '{"x":1}\n'],
  );
  const raw = form.get('raw');
  assert.ok(raw instanceof File);
  assert.deepEqual(new Uint8Array(await raw.arrayBuffer()), new Uint8Array(bytes));
  assert.equal(raw.name, 'a"b.bin');
});
