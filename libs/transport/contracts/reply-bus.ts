/** What every reply bus has to keep while nothing is wrong with its connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplyBus } from '../ports/reply-bus.ts';
import { eventually } from './eventually.ts';

export interface ReplyBusSubject {
  /** Two ends of the same bus. */
  readonly listener: ReplyBus;
  readonly publisher: ReplyBus;
}

/** Registers the tests. @param subject a bus on which nobody listens yet; asked for once in each test. */
export function testReplyBus(subject: () => Promise<ReplyBusSubject>): void {
  test('packets arrive once and in order', async () => {
    const { listener, publisher } = await subject();
    const heard: string[] = [];
    await listener.listen('calm', packet => void heard.push(packet.toString()));
    const sent = Array.from({ length: 500 }, (_, i) => String(i));
    await Promise.all(sent.map(text => publisher.publish('calm', Buffer.from(text))));
    await eventually(() => heard.length >= sent.length);
    assert.deepEqual(heard, sent);
    await Promise.all([listener.close(), publisher.close()]);
  });

  test('paced packets arrive in order, however many', async () => {
    const { listener, publisher } = await subject();
    const heard: number[] = [];
    await listener.listen('paced', packet => void heard.push(packet.readUInt32BE(0)));
    for (let i = 0; i < 50; i++) {
      const packet = Buffer.alloc(250_000);
      packet.writeUInt32BE(i);
      await publisher.publishPaced('paced', packet);
    }
    await eventually(() => heard.length >= 50);
    assert.deepEqual(heard, [...Array(50).keys()]);
    await Promise.all([listener.close(), publisher.close()]);
  });

  test('an ingress hears its own packets only', async () => {
    const { listener, publisher } = await subject();
    const heard: string[] = [];
    await listener.listen('in-1', packet => void heard.push(packet.toString()));
    await publisher.publish('in-2', Buffer.from('not for you'));
    await publisher.publish('in-1', Buffer.from('for you'));
    await eventually(() => heard.length > 0);
    assert.deepEqual(heard, ['for you']);
    await Promise.all([listener.close(), publisher.close()]);
  });

  test('bytes are pending until they are confirmed', async () => {
    const { listener, publisher } = await subject();
    assert.equal(publisher.connected, true);
    const published = publisher.publish('in-1', Buffer.alloc(100));
    assert.equal(publisher.pendingBytes, 100);
    await published;
    assert.equal(publisher.pendingBytes, 0);
    await Promise.all([listener.close(), publisher.close()]);
  });
}
