import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DispatchError } from '@penstock/protocol';
import type { ReplySink } from './reply-sink.ts';
import { ResponseReply } from './response-reply.ts';

test('a response that fails after its events began fails as an event, also where no worker is to blame', () => {
  const parts: unknown[] = [];
  const to: ReplySink = {
    events: bytes => void parts.push(bytes),
    end: bytes => void parts.push(bytes),
    ...{ result() {}, waiting() {} },
    error: error => void parts.push(error.code),
  };
  const base = { id: 'resp_r1', createdAt: 0, background: false, params: {} };
  const reply = new ResponseReply(to, base, async () => {}, Date.now);
  const served = { worker: 'w', attempt: 1, waitMs: 0 };
  reply.events(Buffer.from('data: {"choices":[{"delta":{"content":"One"}}]}\n\n'), served);
  reply.error(new DispatchError('deadline_exceeded'), null);
  const events = parts
    .join('')
    .split('\n\n')
    .filter(text => text !== '');
  assert.equal(events.at(-1), 'data: [DONE]');
  const last = JSON.parse((events.at(-2) ?? '').replace(/^event: response.failed\ndata: /, '')) as {
    sequence_number: number;
    response: { status: string; error: { code: string } };
  };
  assert.equal(last.sequence_number, events.length - 2);
  assert.deepEqual([last.response.status, last.response.error.code], ['failed', 'server_error']);
});

test('a refusal in the middle of a response fails it in the words of the engine', () => {
  let last = '';
  const to = {
    ...{ events() {}, result() {}, error() {}, waiting() {} },
    end: (bytes: Buffer) => {
      last = bytes.toString();
    },
  };
  const base = { id: 'resp_r1', createdAt: 0, background: false, params: {} };
  const reply = new ResponseReply(to, base, async () => {}, Date.now);
  const served = { worker: 'w', attempt: 1, waitMs: 0 };
  reply.events(Buffer.from('data: {"choices":[{"delta":{"content":"One"}}]}\n\n'), served);
  const error = { message: 'too long', type: 'x', param: null, code: null };
  reply.result(
    { status: 400, contentType: 'application/json' },
    Buffer.from(JSON.stringify({ error })),
    served,
  );
  assert.match(last, /event: response\.failed.*\n.*"message":"too long"/);
});
