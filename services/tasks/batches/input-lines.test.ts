import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputFileError, readLines } from './input-lines.ts';

/** Bytes of a request's body. */
const MOST = 100_000;

async function linesOf(...chunks: (string | Buffer)[]): Promise<[number, string][]> {
  const found: [number, string][] = [];
  const content = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk as string);
  })();
  for await (const { number, text } of readLines(content, MOST)) found.push([number, text.toString()]);
  return found;
}

test('lines have their number in the file; blank ones, the byte order mark and carriage returns are left out', async () => {
  assert.deepEqual(await linesOf('\uFEFF{"a":1}\r\n\r\n \t\n{"b":2}\n\n'), [
    [1, '{"a":1}'],
    [4, '{"b":2}'],
  ]);
  assert.deepEqual(await linesOf('\uFEFF'), []);
  assert.deepEqual(await linesOf('\uFEFF\r\n'), []);
  assert.deepEqual(await linesOf(''), []);
});

test('chunks may end within lines and within characters', async () => {
  const bytes = Buffer.from('{"ä":"€"}\r\n{"🚰":2}');
  const expected = [
    [1, '{"ä":"€"}'],
    [2, '{"🚰":2}'],
  ];
  for (let at = 0; at <= bytes.length; at++)
    assert.deepEqual(await linesOf(bytes.subarray(0, at), bytes.subarray(at)), expected, `cut at ${at}`);
});

test('a line that is not text is refused with its number', async () => {
  const refused = (code: string, line: number) => (err: Error) =>
    err instanceof InputFileError && err.code === code && err.line === line;
  await assert.rejects(linesOf('{}\n', Buffer.from([0x7b, 0xff, 0x0a])), refused('invalid_encoding', 2));
  await assert.rejects(linesOf(Buffer.from([0xe2, 0x82])), refused('invalid_encoding', 1));
  const long = 'x'.repeat(MOST + 4097);
  await assert.rejects(linesOf('{}\n', long), refused('line_too_long', 2));
  await assert.rejects(linesOf(`${long}\n`), refused('line_too_long', 1));
});
