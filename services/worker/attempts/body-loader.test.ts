import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Frame, sharedAddress, type WorkMeta } from '@penstock/protocol';
import { ByteBudget } from '@penstock/runtime';
import { MemoryRequestBodies } from '@penstock/transport/memory';
import type { EngineHandlers } from '../engine/engine.ts';
import { Attempt } from './attempt.ts';
import { BodyLoader } from './body-loader.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
const LIMITS = { firstTokenMs: 120_000, betweenTokensMs: 300_000 };
const BODY = Buffer.from('{"input":"a long text"}');

/** Attempts at requests whose body is in the store, with memory for one of them. */
async function start() {
  const bodies = new MemoryRequestBodies({ now: () => 0 });
  const budget = new ByteBudget(BODY.length + 1);
  const loader = new BodyLoader(bodies, budget);
  const asked: { body: string; handlers: EngineHandlers }[] = [];
  const ended: string[] = [];
  const begin = async (id: string, isThere = true) => {
    const claim = await bodies.put(id, BODY);
    if (!isThere) await bodies.drop(id);
    const meta = { id, from: 'in-1', endpoint: 'embeddings', stream: false, claim } as WorkMeta;
    const attempt = new Attempt({
      work: { meta, body: Buffer.alloc(0) },
      ...{ number: 1, ackSubject: 'ack', address: sharedAddress(KEY, id), waitMs: 0, continuation: null },
      ...{ nonce: 1, incarnation: 'p1', limits: LIMITS, clock: { monotonic: () => 0 } },
      hooks: {
        ready() {},
        firstToken() {},
        isModelLeaving: () => false,
        ended: (_attempt, outcome) => void ended.push(`${id} ${outcome}`),
      },
    });
    const engine = {
      run: (_path: string, body: Uint8Array, handlers: EngineHandlers) => {
        asked.push({ body: Buffer.from(body).toString(), handlers });
        return { abort() {} };
      },
    };
    attempt.start(engine, loader);
    await turn();
    return attempt;
  };
  const answer = async () => {
    const { start, data, end } = asked.at(-1)?.handlers ?? assert.fail('the engine was not asked');
    start(200, 'application/json');
    data(Buffer.from('{"data":[]}'));
    end();
    await turn();
  };
  return { begin, answer, asked, ended, budget };
}

test('the engine is asked with the stored body, and the next one waits for memory', async () => {
  const { begin, answer, asked, ended, budget } = await start();
  await begin('r1');
  await begin('r2');
  assert.deepEqual(
    asked.map(({ body }) => body),
    [BODY.toString()],
  );
  await answer();
  assert.equal(asked.length, 2);
  await answer();
  assert.deepEqual([ended, budget.takenBytes], [['r1 done', 'r2 done'], 0]);
});

test('an attempt that is dropped while it waits for its body never asks the engine', async () => {
  const { begin, answer, asked, ended, budget } = await start();
  await begin('r1');
  (await begin('r2')).drop();
  await answer();
  assert.deepEqual([ended, asked.length, budget.takenBytes], [['r2 dropped', 'r1 done'], 1, 0]);
});

test('a body that is not there fails the attempt and not the engine', async () => {
  const { begin, asked, ended, budget } = await start();
  const attempt = await begin('r1', false);
  const frames: Frame[] = [];
  attempt.takeFrames(frames);
  const { code, retryable } = JSON.parse(frames.at(-1)?.meta ?? '{}');
  assert.deepEqual([code, retryable], ['body_unavailable', true]);
  assert.deepEqual([ended, asked.length, budget.takenBytes], [['r1 not_loaded'], 0, 0]);
});
