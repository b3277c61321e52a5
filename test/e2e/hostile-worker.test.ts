/**
 * Somebody on the wires of a region, with what a worker has: NATS and Redis. Whatever it sends ends no process, and it can neither answer
 * what it was not given nor have others publish where it says.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import {
  decodeEnvelope,
  encodePacket,
  type Frame,
  type FrameKind,
  replyChannel,
  replyLog,
} from '@penstock/protocol';
import { Redis } from 'ioredis';
import { chat, post, readChat, startStack, waitFor } from '../../testkit/stack.ts';

const stack = await startStack({ engines: [{}, {}], tasksEnv: {} });
const nc = await connect({ servers: stack.nats.url });
const redis = new Redis(stack.redis.url);
test.after(async () => {
  redis.disconnect();
  await nc.close();
  await stack[Symbol.asyncDispose]();
});

const QUOTE = { waitMs: 0, tokensPerSec: 1, cacheTokens: 0 };

/** As a worker publishes a packet: appended and announced. */
async function sendPacket(packet: Buffer) {
  const id = await redis.xadd(replyLog('in-1'), '*', 'p', packet);
  await redis.publish(replyChannel('in-1'), Buffer.concat([Buffer.from(`${id} `), packet]));
}

function frame(id: string, kind: FrameKind, meta: object | string, change: Partial<Frame> = {}): Frame {
  const text = typeof meta === 'string' ? meta : JSON.stringify(meta);
  return { ...{ id, kind, meta: text, attempt: 1, nonce: 7, seq: 0, body: Buffer.alloc(0) }, ...change };
}

const say = (worker: string, ...frames: Frame[]) => sendPacket(encodePacket(worker, QUOTE, frames));

const metricsOf = async () => (await fetch(`${stack.url}/metrics`)).text();

async function dropped(kind: string): Promise<number> {
  const [, count = '0'] =
    new RegExp(`dropped_messages_total\\{kind="${kind}"\\} (\\d+)`).exec(await metricsOf()) ?? [];
  return Number(count);
}

/** What is published on a subject that belongs to nobody. */
async function heardOn<T>(subject: string, act: (nc: NatsConnection) => Promise<T>): Promise<string[]> {
  const heard: string[] = [];
  const sub = nc.subscribe(subject, { callback: (_err, msg: Msg) => void heard.push(msg.string()) });
  await nc.flush();
  await act(nc);
  await nc.flush();
  sub.unsubscribe();
  return heard;
}

async function assertAlive() {
  const { status, tokens, done } = await readChat(stack, chat('are you there', { max_tokens: 3 }));
  assert.deepEqual([status, tokens.length, done], [200, 3, true]);
  assert.equal((await fetch(`${stack.url}/readyz`)).status, 200);
}

const beat = (subject: string, change: object) =>
  nc.publish(
    subject,
    JSON.stringify({
      ...{ v: 1, worker: 'thief', incarnation: 'x', models: [], shard: 0, slots: 1000, pulling: true },
      ...{ leaving: false, waitS: 0, tokensPerSec: 1e9, load: 0, cacheTokens: 0, cacheCapacity: null },
      ...change,
    }),
  );

test('frames, packets and announcements that are wrong are dropped and counted, and end nothing', async () => {
  await say('w-1', frame('nobody', 'accepted', 'this is no JSON'), frame('not a token!', 'events', ''));
  await say('not a token!', frame('nobody', 'accepted', { ack: 'x', waitMs: 0 }));
  await sendPacket(Buffer.from('P\x03\x02w1'));
  await sendPacket(Buffer.alloc(0));
  for (const text of ['', ' ', 'x', '1-0@NaN x']) await redis.publish(replyChannel('in-1'), text);
  await redis.publish(replyChannel('in-1'), Buffer.from('999999999999999-0@1 x'));
  await redis.xadd(replyLog('in-1'), '*', 'q', 'x');
  await waitFor(async () => (await dropped('frame')) >= 2 && (await dropped('packet')) >= 3);
  await waitFor(async () => (await dropped('hint')) >= 4);
  await assertAlive();
});

test('nobody speaks for another worker, or gives a model the queue of another', async () => {
  const model = { name: 'sim-chat', slug: 'nowhere', created: 1, ownedBy: 'thief' };
  beat('hb.local.x', { worker: 'not.a.token' });
  for (const worker of ['w-1', 'w-2']) beat('hb.local.x', { worker, leaving: true });
  beat('hb.local.thief', { models: [model] });
  beat('hb.local.thief', { models: [{ ...model, name: 'x y', slug: 'sim-chat' }] });
  nc.publish('done.local', 'not a token!');
  nc.publish('hb.local.thief', '['.repeat(100_000));
  nc.publish('st.local.in-1', '{');
  for (const text of ['', '{"cancel":"a.b","attempt":1}', '{"runs":7}', '{"drain":"yes"}'])
    nc.publish('ctl.worker.w-1', text);
  await nc.flush();
  await waitFor(async () => (await dropped('heartbeat')) >= 6 && (await dropped('announcement')) >= 1);
  assert.match(await metricsOf(), /^penstock_workers 2$/m);
  await assertAlive();
});

test('nothing is published where a message says', async () => {
  const ack = 'victim.subject';
  const heard = await heardOn(ack, async () => {
    await say('w-1', frame('nobody', 'accepted', { ack, waitMs: 0 }));
    const question = { id: 'nobody', attempt: 1, worker: 'w-1', nonce: 7, ack };
    for (const payload of [question, { running: [], worker: 'w-1', incarnation: 'x' }])
      nc.publish('ctl.ingress.in-1', JSON.stringify(payload), { reply: ack });
    nc.publish('ctl.worker.w-1', JSON.stringify({ runs: 'nobody', attempt: 1 }), { reply: ack });
    await assertAlive();
  });
  assert.deepEqual(heard, []);
});

test('a worker answers only what it was given, and hears of no other what its client has', async () => {
  const held = readChat(stack, chat('hold this', { max_tokens: 60 }));
  let mine: Promise<Response> | null = null;
  const seen = await new Promise<string>(resolve => {
    const sub = nc.subscribe('work.>', {
      callback: (_err, msg) => {
        sub.unsubscribe();
        resolve(decodeEnvelope(msg.data).meta.id);
      },
    });
    void nc.flush().then(() => {
      mine = post(stack, '/v1/chat/completions', chat('mine', { max_tokens: 60 }));
    });
  });
  const body = Buffer.from(
    JSON.stringify({ choices: [{ message: { content: 'FORGED' }, finish_reason: 'stop' }] }),
  );
  const result = frame(seen, 'result', { status: 200, contentType: 'application/json' }, { seq: 1, body });
  const ack = '$JS.ACK.WORK_local_0.sim-chat_interactive_short.1.1.1.1.1';
  for (const worker of ['thief', 'w-1', 'w-2'])
    for (const more of [{}, { key: 'k'.repeat(26) }])
      for (const attempt of [1, 2, 900])
        await say(worker, frame(seen, 'accepted', { ack, waitMs: 0, ...more }, { attempt, nonce: 9 }), {
          ...result,
          attempt,
          nonce: 9,
        });
  const question = { id: seen, attempt: 900, worker: 'thief', nonce: 9, ack };
  await assert.rejects(nc.request('ctl.ingress.in-1', JSON.stringify(question), { timeout: 500 }));
  await waitFor(async () => (await dropped('question')) >= 1);
  // They come by another server than the question does.
  await waitFor(async () => (await dropped('frame')) > 10);
  const { tokens, done } = await held;
  assert.deepEqual([tokens.length, done, tokens.join('').includes('FORGED')], [60, true, false]);
  const answer = await (mine as Promise<Response> | null);
  assert.deepEqual([answer?.status, (await answer?.text())?.includes('FORGED')], [200, false]);
});
