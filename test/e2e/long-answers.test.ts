/** Answers of some MB come whole, in packets that Redis can carry, and others' first tokens do not wait behind them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { chunk, DONE, gate, startScriptedEngine } from '../../testkit/scripted-engine.ts';
import { chat, post, startStack, waitFor } from '../../testkit/stack.ts';

const CHAT = '/v1/chat/completions';
const BYTES = 5_000_000;
/** Differs in every place, so that nothing can be lost or mixed up unseen. */
const LONG = Array.from({ length: BYTES / 10 }, (_, i) => `${i}`.padStart(10, '.')).join('');

test('long answers in one piece and in one event are whole, and pass through Redis a few MB at a time', async t => {
  const { opened, open } = gate();
  const engine = await startScriptedEngine(async function* ({ body }) {
    const question = body.messages[0]?.content;
    if (question === 'short') {
      yield chunk({ content: 'short' }) + chunk({}, 'stop') + DONE;
      return;
    }
    await opened;
    const text = `${question} ${LONG}`;
    if (body['stream'] === true) yield chunk({ content: text }) + chunk({}, 'stop') + DONE;
    else
      yield JSON.stringify({
        choices: [{ message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      });
  });
  t.after(() => engine.close());
  await using stack = await startStack({ engineUrls: [engine.url] });
  using closing = new DisposableStack();
  const redis = closing.adopt(new Redis(stack.redis.url), connection => connection.disconnect());
  const watcher = closing.adopt(redis.duplicate(), connection => connection.disconnect());
  const usedMemory = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  const before = await usedMemory();
  const longest = { packet: 0, memory: 0 };
  await watcher.psubscribe('penstock:reply:*');
  watcher.on('pmessageBuffer', (_pattern, _channel, message: Buffer) => {
    longest.packet = Math.max(longest.packet, message.length);
  });
  const look = setInterval(async () => {
    longest.memory = Math.max(longest.memory, (await usedMemory()) - before);
  }, 20);
  closing.defer(() => clearInterval(look));

  const asked = (content: string, stream: boolean) =>
    post(stack, CHAT, { ...chat('x', { stream }), model: 'scripted', messages: [{ role: 'user', content }] });
  const long = Array.from({ length: 6 }, async (_, i) => {
    const response = await asked(`answer ${i}`, i % 2 === 0);
    assert.equal(response.status, 200);
    return await response.text();
  });
  await waitFor(() => engine.calls.length === 6);
  open();
  const answers = Promise.all(long);
  let isOver = false;
  void answers.finally(() => {
    isOver = true;
  });
  while (!isOver) assert.match(await (await asked('short', true)).text(), /short.*\[DONE\]/s);
  for (const [i, answer] of (await answers).entries()) {
    if (i % 2 === 0) assert.ok(answer.endsWith(DONE));
    const json = i % 2 === 0 ? (/data: (.*)/.exec(answer)?.[1] ?? '') : answer;
    const [choice] = JSON.parse(json).choices;
    assert.ok((choice.message ?? choice.delta).content === `answer ${i} ${LONG}`, `answer ${i} is not whole`);
  }
  assert.ok(longest.packet <= 256 * 1024 + 100, `a packet of ${longest.packet} bytes`);
  assert.ok(longest.memory < 6 * BYTES, `Redis held ${longest.memory} bytes more`);
  assert.ok((await redis.xlen('penstock:replylog:in-1')) < 200, 'what was read is dropped');
});
