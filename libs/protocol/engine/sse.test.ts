import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventData, isEventStream, SseReader, toPlainBytes } from './sse.ts';

/** Data of the events in the bytes, cut into pieces; what no blank line ended comes last. */
function read(pieces: readonly Buffer[]): (string | null)[] {
  const reader = new SseReader();
  const events = pieces.flatMap(piece => reader.push(piece));
  const rest = reader.rest();
  return [...events, ...(rest === null ? [] : [rest])].map(event => event.data);
}

const EVENTS = [
  ['data: {"a":1}', '{"a":1}'],
  ['data:no blank', 'no blank'],
  ['data:  two blanks', ' two blanks'],
  [': a comment', null],
  ['event: error\ndata: named', 'named'],
  ['data: first\ndata:\ndata: third', 'first\n\nthird'],
  ['data', ''],
  ['id: 7\nretry: 10\ndata: Grüße 👩‍🚀', 'Grüße 👩‍🚀'],
  ['database: other', null],
] as const;

test('events are read alike with every line ending, cut at every byte', () => {
  const expected = EVENTS.map(([, data]) => data);
  for (const ending of ['\n', '\r\n', '\r'])
    for (const start of ['', '\ufeff']) {
      const text = start + EVENTS.map(([event]) => `${event}\n\n`).join('');
      const bytes = Buffer.from(text.replaceAll('\n', ending));
      for (let at = 0; at <= bytes.length; at++)
        assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), expected, `${ending} ${at}`);
      assert.deepEqual(read([...bytes].map(byte => Buffer.from([byte]))), expected);
    }
});

test('line endings may be mixed, blank lines may be many, and the last may be missing', () => {
  assert.deepEqual(read([Buffer.from('data: 1\r\n\n\n\ndata: 2\r\rdata: 3\n\r\ndata: 4')]), [
    '1',
    '2',
    '3',
    '4',
  ]);
  assert.deepEqual(read([Buffer.from('\n\n')]), []);
});

test('bytes are passed on as they came, and written anew only where they have to be', () => {
  const plain = 'id: 1\ndata:a\ndata: b\n\n';
  const pass = (text: string) => {
    const reader = new SseReader();
    return Buffer.concat(reader.push(Buffer.from(text)).map(toPlainBytes)).toString();
  };
  assert.equal(pass(`${plain}: ping\n\n`), `${plain}: ping\n\n`);
  assert.equal(pass(plain.replaceAll('\n', '\r\n')), 'data: a\ndata: b\n\n');
  assert.equal(pass('\ufeffdata: 1\n\n'), 'data: 1\n\n');
});

test('a long event in small pieces takes time in proportion to its bytes', () => {
  const piece = Buffer.alloc(1460, 'x');
  const seconds = (pieces: number) => {
    const reader = new SseReader();
    const begun = process.cpuUsage();
    reader.push(Buffer.from('data: '));
    for (let i = 0; i < pieces; i++) reader.push(piece);
    assert.equal(reader.push(Buffer.from('\n\n'))[0]?.data?.length, pieces * piece.length);
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1e6;
  };
  // A reader that scans from the start for each piece takes 24 s of it.
  assert.ok(seconds(2873) < 5);
});

test('a stream is known by its type, or by how it begins', () => {
  const is = (type: string, start: string) => isEventStream(type, Buffer.from(start));
  for (const start of ['data: {}', 'data:{', ': ping\n', 'event: message_start', 'id: 1', '\ufeffdata: 1'])
    for (const type of ['', 'text/plain; charset=utf-8', 'application/json'])
      assert.ok(is(type, start), start);
  assert.ok(is('text/event-stream; charset=utf-8', '{"error":"no"}'));
  for (const start of ['', '{"data":1}', ' {"id":1}', '[1]', '<html>', 'database: gone', 'RIFF'])
    assert.ok(!is('application/json', start), start);
});

test('data is read from whole events in one go', () => {
  assert.deepEqual([...eventData(': hi\n\ndata: 1\n\ndata:2\ndata: 3\n\n')], ['1', '2\n3']);
  assert.deepEqual([...eventData('data: 1\r\n\r\ndata: 2\r\r')], ['1', '2']);
});
