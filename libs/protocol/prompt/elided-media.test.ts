import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ElidedMedia, elideMedia, mediaBytes } from './elided-media.ts';
import { withoutMedia } from './without-media.ts';

const base64 = (bytes: number) => randomBytes(bytes).toString('base64');
const picture = (data: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${data}` },
});
const bodyOf = (...content: object[]) => ({ model: 'm', messages: [{ role: 'user', content }] });
const elide = (body: object | string) =>
  elideMedia(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

test('long contents are taken out, and put back where their markers are by then', () => {
  const [one, two] = [base64(100_000), base64(200_000)];
  const sound = { type: 'input_audio', input_audio: { data: base64(90_000), format: 'wav' } };
  const file = { type: 'file', file: { file_data: `data:application/pdf;base64,${base64(70_000)}` } };
  const body = bodyOf(
    picture(one),
    { type: 'text', text: 'Which?' },
    sound,
    picture(two),
    file,
    picture(one),
  );
  const { bytes, restore } = elide(body);
  assert.ok(bytes.length < 1000);
  const { messages } = JSON.parse(bytes.toString());
  const turned = { messages: messages.toReversed(), again: messages[0] };
  assert.deepEqual(JSON.parse(restore(JSON.stringify(turned)).toString()), {
    messages: body.messages.toReversed(),
    again: body.messages[0],
  });
  assert.match(messages[0].content[0].image_url.url, /^data:image\/png;base64,</);
  assert.equal(mediaBytes(messages[0].content[0].image_url.url), one.length);
});

test('what is short, or is no base64, stays for the parser', () => {
  const long = 'x'.repeat(100_000);
  for (const body of [
    bodyOf(picture(base64(100))),
    bodyOf({ type: 'text', text: long }),
    bodyOf(picture(`${long}\\`)),
    bodyOf(picture(`${long}\n`)),
    bodyOf(picture(`${long}ä`)),
    { source: { type: 'text', data: `${long} and more` } },
    { file_data: `data:text/plain;base64,${long}` },
    { file_data: `data:application/json;charset=utf-8;base64,${long}` },
    bodyOf({ type: 'image_url', image_url: { url: `https://x/${long}` } }),
    `{"data" "${long}`,
    `{"a":"${'\\'.repeat(99_999)}`,
  ]) {
    const { bytes, restore } = elide(body);
    assert.equal(bytes.toString(), typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(restore('{}').toString(), '{}');
  }
});

test('a text that looks like a marker is left alone', () => {
  const fake = '<media 0:9:0123456789abcdef> <media 7:9:0123456789abcdef>';
  const body = bodyOf({ type: 'text', text: fake }, picture(base64(100_000)));
  const { bytes, restore } = elide(body);
  assert.deepEqual(JSON.parse(restore(bytes.toString()).toString()), body);
});

test('equal contents have equal markers, others do not', () => {
  const data = base64(300_000);
  const marked = (text: string) => elide(bodyOf(picture(text))).bytes.toString();
  assert.equal(marked(data), marked(data));
  assert.notEqual(marked(data), marked(`${data.slice(0, -4)}AAAA`));
});

test('contents of several texts go together into one, and equal ones are equal prompts wherever they stand', () => {
  const [one, two] = [base64(100_000), base64(200_000)];
  const media = new ElidedMedia();
  const read = (...data: string[]) =>
    JSON.parse(media.elide(Buffer.from(JSON.stringify(bodyOf(...data.map(picture))))).toString()).messages[0];
  const [later, earlier] = [read(two, one), read(one)];
  const made = JSON.stringify([earlier, 'ä', later]);
  const whole = [bodyOf(picture(one)).messages[0], 'ä', bodyOf(picture(two), picture(one)).messages[0]];
  assert.deepEqual(JSON.parse(media.restore(made).toString()), whole);
  assert.equal(media.restoreText(made), media.restore(made).toString());
  assert.notEqual(JSON.stringify(earlier.content[0]), JSON.stringify(later.content[1]));
  assert.equal(withoutMedia(earlier.content[0]), withoutMedia(later.content[1]));
  assert.notEqual(withoutMedia(earlier.content[0]), withoutMedia(later.content[0]));
});
