import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BodyStream } from './body-stream.ts';

const BODY = Buffer.from('before|old|after');
const claimOf = (model?: { at: number; bytes: number }) => ({
  ...{ digest: '0'.repeat(64), bytes: BODY.length },
  ...(model === undefined ? {} : { model }),
});
const inPieces = (bytes: number) =>
  Readable.from(
    Array.from({ length: Math.ceil(BODY.length / bytes) }, (_, i) =>
      BODY.subarray(i * bytes, (i + 1) * bytes),
    ),
  );
const whole = async (stream: BodyStream) => Buffer.concat(await stream.toArray()).toString();

test('the model goes under its own name, however the form is cut', async () => {
  for (let bytes = 1; bytes <= BODY.length; bytes++) {
    for (const [span, model, expected] of [
      [{ at: 7, bytes: 3 }, 'org/new', 'before|org/new|after'],
      [{ at: 7, bytes: 3 }, '', 'before||after'],
      [{ at: 7, bytes: 0 }, 'very-', 'before|very-old|after'],
      [{ at: 0, bytes: 6 }, 'x', 'x|old|after'],
    ] as const) {
      const stream = new BodyStream(inPieces(bytes), claimOf(span), model);
      assert.equal(await whole(stream), expected);
      assert.equal(stream.bytes, expected.length);
    }
    assert.equal(await whole(new BodyStream(inPieces(bytes), claimOf(), 'new')), BODY.toString());
  }
});

test('what is wrong with the source is an error of the stream, and the beginning and end are known', async () => {
  const broken = Readable.from(
    (async function* () {
      yield BODY;
      throw new Error('damaged');
    })(),
  );
  await assert.rejects(whole(new BodyStream(broken, claimOf(), 'm')), /damaged/);
  const stream = new BodyStream(inPieces(6), claimOf(), 'm');
  await whole(stream);
  assert.equal(stream.said.toString(), 'beforefter');
});
