import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { WorkEnvelope, WorkMeta } from '@penstock/protocol';
import type { Logger } from '@penstock/runtime';
import { EngineHealth } from './engine-health.ts';

const WHOLE = JSON.stringify({ choices: [{ message: { content: 'Hi' }, finish_reason: 'length' }] });

/** The health of an engine whose answers the test gives. */
function start() {
  const engine = {
    isHealthy: true,
    /** Answer to a trial; null for none. */
    answer: { status: 200, body: WHOLE } as { status: number; body: string } | null,
    asked: [] as { endpoint: string; body: object }[],
    healthy: async () => engine.isHealthy,
    /** Models that it answers well whatever the answer above is. */
    answering: new Set<string>(),
    ask: async (endpoint: string, body: object) => {
      engine.asked.push({ endpoint, body });
      const { model } = body as { model: string };
      if (engine.answering.has(model)) return { status: 200, body: Buffer.from(WHOLE) };
      if (engine.answer === null) throw new Error('reset');
      return { status: engine.answer.status, body: Buffer.from(engine.answer.body) };
    },
  };
  const heard: string[] = [];
  const alarms: string[] = [];
  const told: string[] = [];
  const health = new EngineHealth({
    engine,
    onChanged: () => void heard.push(health.isWell ? 'well' : 'sick'),
    parentOf: name => (name.startsWith('lora') ? 'm' : null),
    log: {
      warn: (_about: object, text: string) => void told.push(text),
      error: (_about: object, text: string) => void alarms.push(text),
    } as unknown as Logger,
  });
  const fail = async (prompt: string, { isFirst = true, endpoint = 'chat', model = 'm' } = {}) => {
    const meta = { endpoint, model } as WorkMeta;
    health.failed({ meta, body: Buffer.from(prompt) } satisfies WorkEnvelope, isFirst);
    await turn();
  };
  return { engine, health, heard, alarms, told, fail };
}

test('the log says why an engine is sick, and why it is well again', async () => {
  const { engine, health, told } = start();
  Object.assign(engine, { isHealthy: false, trouble: '/health answers with 503' });
  for (let i = 0; i < 3; i++) await health.probe();
  engine.isHealthy = true;
  for (let i = 0; i < 3; i++) await health.probe();
  assert.deepEqual(told, [
    'the engine is sick: its probes fail: /health answers with 503',
    'the engine is well: its probes pass',
  ]);
});

test('prompts that an engine cannot stand, each another, do not make it sick', async () => {
  const { engine, health, heard, fail } = start();
  for (let i = 0; i < 40; i++) {
    await fail(`poison ${i}`);
    if (i % 4 === 3) await health.probe();
  }
  assert.deepEqual([health.isWell, health.errorRate, heard], [true, 0, []]);
  assert.ok(engine.asked.length <= 20, 'at most two trials from one probe to the next');
});

test('an engine that fails something harmless as well is sick, and comes back in doubt', async () => {
  for (const answer of [null, { status: 500, body: '{}' }, { status: 200, body: '{"choices":[]}' }]) {
    const { engine, health, heard, fail } = start();
    engine.answer = answer;
    await fail('first');
    await fail('second');
    assert.deepEqual(heard, ['sick']);
    await health.probe();
    await health.probe();
    for (const prompt of ['third', 'fourth', 'fifth']) await fail(prompt);
    assert.deepEqual(heard, ['sick', 'well', 'sick']);
  }
});

test('a trial is like the request that failed, and one that is refused shows nothing', async () => {
  const { engine, health, fail } = start();
  engine.answer = { status: 400, body: '{"error":{"message":"no chat template"}}' };
  for (const endpoint of ['chat', 'completions', 'embeddings']) {
    await fail(`prompt of ${endpoint}`, { endpoint });
    assert.equal(engine.asked.at(-1)?.endpoint, endpoint);
    await health.probe();
  }
  assert.ok(health.errorRate > 0.2, 'failures count as the engine’s');
});

test('a prompt that fails again and again, or failed elsewhere before, is not even tried', async () => {
  const { engine, health, fail } = start();
  await fail('poison');
  await health.probe();
  for (let i = 0; i < 20; i++) await fail('poison', { isFirst: i % 2 === 0 });
  for (let i = 0; i < 20; i++) await fail(`poison of others ${i}`, { isFirst: false });
  assert.deepEqual([health.isWell, health.errorRate, engine.asked.length], [true, 0, 1]);
});

test('a trial that takes long holds up no probe', async () => {
  const { engine, health, fail } = start();
  engine.ask = () => new Promise(() => {});
  await fail('slow');
  await health.probe();
  engine.isHealthy = false;
  await health.probe();
  await health.probe();
  assert.ok(!health.isWell);
});

test('an adapter that is broken is held against nobody else, and the operator is told once', async () => {
  const { engine, health, heard, alarms, fail } = start();
  engine.answer = { status: 500, body: '{"error":{"message":"cannot load the weights"}}' };
  engine.answering.add('m');
  for (let i = 0; i < 10; i++) {
    await fail(`prompt ${i}`, { model: 'lora-1' });
    await health.probe();
    await turn();
  }
  assert.deepEqual([health.isWell, health.errorRate, heard], [true, 0, []]);
  assert.equal(alarms.length, 1);
  engine.answering.add('lora-1');
  await fail('mended', { model: 'lora-1' });
  await health.probe();
  await turn();
  engine.answering.delete('lora-1');
  await fail('broken again', { model: 'lora-1' });
  await health.probe();
  await turn();
  assert.equal(alarms.length, 2);
});

test('an engine that fails an adapter and its parent is sick', async () => {
  const { engine, heard, alarms, fail, health } = start();
  engine.answer = null;
  for (const prompt of ['first', 'second', 'third']) {
    await fail(prompt, { model: 'lora-1' });
    await health.probe();
    await turn();
  }
  assert.deepEqual([heard, alarms], [['sick'], []]);
});
