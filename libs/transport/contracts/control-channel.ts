/** What every control channel has to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControlChannel } from '../ports/queue/control-channel.ts';
import { eventually } from './eventually.ts';

export interface ControlChannelSubject {
  readonly channel: ControlChannel;
  /** Lets time pass for the channel. */
  elapse(ms: number): Promise<void>;
}

const heartbeat = (worker: string) => ({ kind: 'heartbeat', region: 'eu', worker }) as const;
const ingress = (id: string) => ({ kind: 'ingress', ingress: id }) as const;

/** Registers the tests. @param subject the channel under test; asked for within each test. */
export function testControlChannel(subject: () => ControlChannelSubject): void {
  test('a message is heard by all that listen to its address, alone or with others', async () => {
    const { channel } = subject();
    const heard: string[] = [];
    const note = (by: string) => (payload: Uint8Array) =>
      void heard.push(`${by} ${Buffer.from(payload).toString()}`);
    channel.listen(heartbeat('w-1'), note('name'));
    channel.listen({ kind: 'heartbeats', region: 'eu' }, note('all'));
    channel.listen({ kind: 'heartbeats', region: 'us' }, note('elsewhere'));
    channel.send(heartbeat('w-1'), Buffer.from('1'));
    channel.send(heartbeat('w-2'), Buffer.from('2'));
    await eventually(() => heard.length === 3);
    assert.deepEqual(heard.sort(), ['all 1', 'all 2', 'name 1']);
    assert.equal(channel.connected, true);
  });

  test('a question is answered by the one that listens', async () => {
    const { channel } = subject();
    channel.listen(ingress('in-1'), (payload, reply) => reply(Buffer.from(`${Buffer.from(payload)}!`)));
    const answer = await channel.ask(ingress('in-1'), Buffer.from('well'), 1000);
    assert.equal(answer.kind === 'answer' && Buffer.from(answer.payload).toString(), 'well!');
  });

  test('a question to nobody says so', async () => {
    const { channel } = subject();
    assert.equal((await channel.ask(ingress('nobody'), Buffer.from('{}'), 1000)).kind, 'nobody');
  });

  test('a question that is not answered times out', async () => {
    const { channel, elapse } = subject();
    channel.listen(ingress('silent'), () => {});
    const answer = channel.ask(ingress('silent'), Buffer.from('{}'), 50);
    await elapse(50);
    assert.equal((await answer).kind, 'timeout');
  });
}
