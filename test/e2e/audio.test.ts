/** Forms that are passed to engines as they came, and answers that are no JSON, through the official client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type OpenAI from 'openai';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, errorOf, type Stack, startStack, waitFor, whenAllHeard } from '../../testkit/stack.ts';

const model = 'sim-chat';
/** Bytes of every value, so that nothing on the way can take them for text. */
const SOUND = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256);
const file = () => new File([SOUND], 'speech.wav', { type: 'audio/wav' });
let stack: Stack;
let client: OpenAI;

before(async () => {
  stack = await startStack({
    engines: [{ models: [model] }, { models: [model], endpoints: [] }],
    ingressEnv: { PENSTOCK_MODEL_ALIASES: `whisper-1=${model}` },
  });
  client = sdk(stack);
});
after(() => stack[Symbol.asyncDispose]());

function form(fields: Record<string, string | File>): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return { method: 'POST', body, headers: { authorization: `Bearer ${API_KEY}` } };
}
const transcribe = (fields: Record<string, string | File>, headers = {}) => {
  const init = form(fields);
  return fetch(`${stack.url}/v1/audio/transcriptions`, { ...init, headers: { ...init.headers, ...headers } });
};

test('audio.transcriptions and translations: the engine gets the file byte for byte, and the other fields', async () => {
  const { text } = await client.audio.transcriptions.create({ model, file: file(), language: 'en' });
  assert.equal(text, `${SOUND.length} bytes of speech.wav, sum ${SOUND.reduce((a, b) => a + b)}, en`);
  const translated = await client.audio.translations.create({ model, file: file() });
  assert.ok(translated.text.startsWith(`${SOUND.length} bytes of speech.wav`));
});

const BYTES = 5_000_000;
const large = () => new File([new Uint8Array(BYTES).fill(1)], 'long.wav');
const LARGE = `${BYTES} bytes of long.wav, sum ${BYTES}`;
/** Bodies in the store. */
const kept = () => readdir(join(stack.filesDir, 'bodies', 'local')).catch(() => []);
const nothingKept = () => waitFor(async () => (await kept()).length === 0);

test('a recording that is too large for a message gets to the engine whole, by whatever name of the model', async () => {
  for (const name of [model, 'whisper-1'])
    for (const fields of [
      { model: name, file: large() },
      { file: large(), language: 'en', model: name },
    ]) {
      const answer = await transcribe(fields);
      assert.equal(answer.status, 200, await answer.clone().text());
      assert.ok(((await answer.json()) as { text: string }).text.startsWith(LARGE));
    }
  await nothingKept();
});

test('large recordings take no room in the memory for bodies, neither here nor at the worker', async () => {
  const boundary = 'b';
  const sending = httpRequest(`${stack.url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${API_KEY}`, 'transfer-encoding': 'chunked' },
      'content-type': `multipart/form-data; boundary=${boundary}`,
    },
  });
  const answered = once(sending, 'response');
  const part = (head: string) => `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`;
  sending.write(part('name="file"; filename="long.wav"'));
  sending.write(Buffer.alloc(BYTES, 1));
  const isSpooled = async () => (await readdir(join(stack.filesDir, 'bodies', 'local'))).length > 0;
  await waitFor(isSpooled);
  const metrics = await (await fetch(`${stack.url}/metrics`)).text();
  assert.match(metrics, /^penstock_large_body_bytes 0$/m);
  sending.end(`\r\n${part('name="model"')}${model}\r\n--${boundary}--\r\n`);
  const [answer] = (await answered) as [IncomingMessage];
  assert.equal(JSON.parse(String(Buffer.concat(await answer.toArray()))).text, LARGE);
});

test('nothing is left of a large form that is refused, breaks off, or has no end', async () => {
  await whenAllHeard(stack);
  const refused = await transcribe({ file: large(), model: 'none' });
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [404, 'model_not_found']);
  const nameless = await transcribe({ file: large() });
  assert.deepEqual([nameless.status, (await errorOf(nameless)).param], [400, 'model']);
  const headers = {
    authorization: `Bearer ${API_KEY}`,
    'content-type': 'multipart/form-data; boundary=b',
  };
  const body = `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${'x'.repeat(BYTES)}`;
  const url = `${stack.url}/v1/audio/transcriptions`;
  assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 400);
  const leaving = httpRequest(url, { method: 'POST', headers: { ...headers, 'content-length': 2 * BYTES } });
  leaving.on('error', () => {});
  leaving.write(body);
  await waitFor(async () => (await kept()).length > 0);
  leaving.destroy();
  await nothingKept();
  const tooLong = await transcribe({ file: new File([new Uint8Array(60e6)], 'a.wav'), model });
  assert.deepEqual([tooLong.status, (await errorOf(tooLong)).code], [413, 'body_too_large']);
  await nothingKept();
});

test('a transcription as plain text is answered as such', async () => {
  const answer = await transcribe({ model, file: file(), response_format: 'text' });
  assert.equal(answer.headers.get('content-type'), 'text/plain');
  assert.ok((await answer.text()).startsWith(`${SOUND.length} bytes of speech.wav`));
});

test('audio.speech: bytes with the type that the engine gave them', async () => {
  const speech = await client.audio.speech.create({ model, voice: 'alloy', input: 'Hello there' });
  assert.equal(speech.headers.get('content-type'), 'audio/mpeg');
  const again = await client.audio.speech.create({ model, voice: 'alloy', input: 'Hello there' });
  const bytes = Buffer.from(await speech.arrayBuffer());
  assert.ok(bytes.length > 1000 && !bytes.equals(Buffer.from(bytes.toString('utf8'))));
  assert.deepEqual(Buffer.from(await again.arrayBuffer()), bytes);
});

test('a form without a file or a model, a body that is no form, and JSON where a form is expected', async () => {
  const missing = await transcribe({ model });
  assert.deepEqual([missing.status, (await errorOf(missing)).param], [400, 'file']);
  const nameless = await transcribe({ file: file() });
  assert.deepEqual([nameless.status, (await errorOf(nameless)).param], [400, 'model']);
  const init = { method: 'POST', body: 'x', headers: { authorization: `Bearer ${API_KEY}` } };
  const broken = { ...init.headers, 'content-type': 'multipart/form-data; boundary=b' };
  assert.equal(
    (await fetch(`${stack.url}/v1/audio/transcriptions`, { ...init, headers: broken })).status,
    400,
  );
  const json = { ...init.headers, 'content-type': 'application/json' };
  const refused = await fetch(`${stack.url}/v1/audio/transcriptions`, { ...init, body: '{}', headers: json });
  const { code, message } = await errorOf(refused);
  assert.deepEqual([refused.status, code], [415, 'unsupported_media_type']);
  assert.match(message, /multipart\/form-data/);
});

test('as a job; sent again under its key, with another boundary, it is the same one', async () => {
  const headers = { prefer: 'respond-async', 'idempotency-key': 'speech-1' };
  const [first, second] = [
    await transcribe({ model, file: file() }, headers),
    await transcribe({ model, file: file() }, headers),
  ];
  assert.equal(first.headers.get('location'), second.headers.get('location'));
  const url = stack.url + first.headers.get('location');
  const authorized = { headers: { authorization: `Bearer ${API_KEY}` } };
  await waitFor(async () => (await fetch(url, authorized)).status === 200);
  const { text } = (await (await fetch(url, authorized)).json()) as { text: string };
  assert.ok(text.startsWith(`${SOUND.length} bytes`));
});

test('a large one under a key is one job too, and another one under the same key is refused', async () => {
  const headers = { prefer: 'respond-async', 'idempotency-key': 'speech-2' };
  const ask = (language: string) => transcribe({ model, file: large(), language }, headers);
  const [first, second, other] = [await ask('en'), await ask('en'), await ask('de')];
  assert.equal(first.headers.get('location'), second.headers.get('location'));
  assert.deepEqual([other.status, (await errorOf(other)).code], [400, 'idempotency_key_reused']);
  const url = stack.url + first.headers.get('location');
  const authorized = { headers: { authorization: `Bearer ${API_KEY}` } };
  await waitFor(async () => (await fetch(url, authorized)).status === 200);
  assert.equal(((await (await fetch(url, authorized)).json()) as { text: string }).text, `${LARGE}, en`);
  await nothingKept();
});
