/** Forms that are passed to engines as they came, and answers that are no JSON, through the official client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type OpenAI from 'openai';
import { sdk } from '../../testkit/sdk.ts';
import { API_KEY, errorOf, type Stack, startStack, waitFor } from '../../testkit/stack.ts';

const model = 'sim-chat';
/** Bytes of every value, so that nothing on the way can take them for text. */
const SOUND = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256);
const file = () => new File([SOUND], 'speech.wav', { type: 'audio/wav' });
let stack: Stack;
let client: OpenAI;

before(async () => {
  stack = await startStack({ engines: [{ models: [model] }, { models: [model], endpoints: [] }] });
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

test('a recording that is too large for a message gets to the engine whole', async () => {
  const bytes = 5_000_000;
  const large = new File([new Uint8Array(bytes).fill(1)], 'long.wav');
  const { text } = await client.audio.transcriptions.create({ model, file: large });
  assert.equal(text, `${bytes} bytes of long.wav, sum ${bytes}`);
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
