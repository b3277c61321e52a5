import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Frame, sharedAddress, type WorkMeta } from '@penstock/protocol';
import type { Engine, EngineHandlers } from '../engine/engine.ts';
import { Attempt } from './attempt.ts';

const KEY = { region: 'eu', shard: 0, slug: 'm', lane: 'interactive', size: 'short' } as const;
const ADDRESS = sharedAddress(KEY, 'r1');
const META = { id: 'r1', from: 'in-1', endpoint: 'embeddings', stream: false } as WorkMeta;

test('the chunks of a long answer that is not a stream are concatenated once, at its end', t => {
  let handlers: EngineHandlers | null = null;
  const engine = {
    run: (_path: string, _body: Uint8Array, given: EngineHandlers) => {
      handlers = given;
      return { abort() {} };
    },
  } as unknown as Engine;
  const outcomes: string[] = [];
  const attempt = new Attempt({
    work: { meta: META, body: Buffer.from('{}') },
    ...{ number: 1, ackSubject: 'ack', address: ADDRESS, waitMs: 0, continuation: null },
    incarnation: 'p1',
    hooks: { ready() {}, firstToken() {}, ended: (_attempt, outcome) => void outcomes.push(outcome) },
  });
  attempt.start(engine);
  const concat = t.mock.method(Buffer, 'concat');
  const pieces = ['{"data":"', ...Array.from({ length: 500 }, () => 'x'.repeat(1000)), '"}'];
  const { start, data, end } = handlers as unknown as EngineHandlers;
  start(200, 'application/json');
  for (const piece of pieces) data(Buffer.from(piece));
  end();
  assert.equal(concat.mock.callCount(), 1);
  const frames: Frame[] = [];
  attempt.takeFrames(frames);
  assert.deepEqual([frames.at(-1)?.kind, outcomes], ['result', ['done']]);
  assert.equal(frames.at(-1)?.body.toString(), pieces.join(''));
});
