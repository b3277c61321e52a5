import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import { NatsControlChannel } from './control-channel.ts';
import type { NatsRequests } from './requests.ts';

/** A channel between fakes: what is delivered to it, what it publishes, and what its listener threw. */
function startChannel(onMessage: (payload: string, from: string) => string) {
  type Callback = (err: Error | null, msg: object) => void;
  let deliverTo: Callback = () => {};
  const published: string[] = [];
  const unhandled: string[] = [];
  const state = { isClosing: false };
  const nc = {
    isClosed: () => false,
    subscribe: (_subject: string, { callback }: { callback: Callback }) => {
      deliverTo = callback;
    },
  };
  const channel = new NatsControlChannel(nc as unknown as NatsConnection, {} as NatsRequests, err =>
    unhandled.push((err as Error).message),
  );
  let replyLater: (answer: Uint8Array) => void = () => {};
  channel.listen({ kind: 'heartbeats', region: 'eu' }, (payload, reply, from) => {
    replyLater = reply;
    reply(Buffer.from(onMessage(Buffer.from(payload).toString(), from)));
  });
  const deliver = (payload: string, reply?: string, subject = 'hb.eu.w-1') =>
    deliverTo(null, {
      ...{ data: Buffer.from(payload), subject, reply },
      respond(answer: Uint8Array) {
        if (state.isClosing) throw new Error('draining');
        published.push(`${reply} ${Buffer.from(answer)}`);
      },
    });
  return { state, deliver, replyLater: () => replyLater(Buffer.from('late')), published, unhandled };
}

test('whose message it is says the subject, and its answer goes to an inbox and nowhere else', () => {
  const { deliver, published } = startChannel((payload, from) => `${payload} of ${from}`);
  deliver('a', '_INBOX.abc.1');
  deliver('b', '_INBOX_w1.abc', 'hb.eu.w-2');
  for (const reply of [
    ...[
      'victim.subject',
      '$JS.API.STREAM.PURGE.WORK_eu_0',
      '$JS.ACK.WORK_eu_0.c.1.1.1.1.1',
      'ctl.worker.w-2',
    ],
    ...[
      '_INBOX',
      '_INBOX.',
      '_INBOX.>',
      '_INBOX.*',
      '_INBOX.a b',
      `_INBOX.${'a.'.repeat(9)}b`,
      'work.eu',
      '',
    ],
  ])
    deliver('c', reply);
  deliver('d');
  assert.deepEqual(published, ['_INBOX.abc.1 a of w-1', '_INBOX_w1.abc b of w-2']);
});

test('an answer that is given when the connection is being closed is told, and ends nothing', () => {
  const { state, deliver, replyLater, published, unhandled } = startChannel(payload => payload);
  deliver('a', '_INBOX.a');
  state.isClosing = true;
  replyLater();
  assert.deepEqual([published, unhandled], [['_INBOX.a a'], ['draining']]);
});

test('what a listener throws is told, and ends nothing', () => {
  const { deliver, published, unhandled } = startChannel(payload => {
    if (payload === 'bad') throw new Error('no');
    return payload;
  });
  deliver('bad', '_INBOX.a');
  deliver('good', '_INBOX.a');
  assert.deepEqual([published, unhandled], [['_INBOX.a good'], ['no']]);
});
