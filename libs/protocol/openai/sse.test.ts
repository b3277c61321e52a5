import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countEvents, endOfLastEvent, endsWithDone, eventData } from './sse.ts';

test('the end of the last whole event is found for LF and CRLF', () => {
  assert.equal(endOfLastEvent(Buffer.from('data: a\n\ndata: b')), 9);
  assert.equal(endOfLastEvent(Buffer.from('data: a\r\n\r\nda')), 11);
  assert.equal(endOfLastEvent(Buffer.from('data: a\n')), 0);
  assert.equal(endOfLastEvent(Buffer.alloc(0)), 0);
});

test('[DONE] counts at the start of a line only', () => {
  assert.ok(endsWithDone(Buffer.from('data: {}\n\ndata: [DONE]\n\n')));
  assert.ok(endsWithDone(Buffer.from('data:[DONE]\r\n\r\n')));
  assert.ok(!endsWithDone(Buffer.from('data: {"content":"data: [DONE]"}\n\n')));
  assert.ok(!endsWithDone(Buffer.from('data: [DONE]')));
});

test('data payloads are read without comments and with joined lines', () => {
  assert.deepEqual([...eventData(': hi\n\ndata: 1\n\ndata:2\ndata: 3\n\n')], ['1', '2\n3']);
});

test('whole events are counted', () => {
  assert.equal(countEvents(Buffer.from('data: a\n\ndata: b\n\ndata: [DONE]\n\n')), 3);
  assert.equal(countEvents(Buffer.from('data: a\r\n\r\n')), 1);
});
