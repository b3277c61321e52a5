import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEnvelope } from '@penstock/protocol';
import { NotReplicated } from '@penstock/transport';
import { nth } from '@penstock/transport/contracts';
import { addressOf, endedBy, queueAgain } from './index.ts';
import { aRun, key, work, world } from './lifecycle.fixture.ts';

test('what replicas do not have in time is refused, and nothing is left of it', async () => {
  const w = await world();
  const create = w.store.create.bind(w.store);
  w.store.create = async (...args) => {
    await create(...args);
    throw new NotReplicated(1, 0);
  };
  await assert.rejects(w.acceptance.accept(aRun(), work, key), { name: 'NotReplicated' });
  assert.equal(await w.statusOf('r1'), undefined);
  assert.equal(w.queue.published.items.length, 0);
  w.store.create = create;
  assert.equal((await w.acceptance.accept(aRun({ id: 'r2' }), work, key)).id, 'r2', 'with the same key');
});

test('a record that was lost is made anew by whoever gets its message, unless it was removed', async () => {
  const w = await world();
  const detail = '{"tier":"default"}';
  const made = aRun({ kind: 'completion', detail, log: 'events' });
  const accepted = await w.acceptance.accept(made, work, key);
  const [message] = w.queue.published.items;
  const { meta } = decodeEnvelope(message?.data ?? Buffer.alloc(0));
  // As a promoted replica that never heard of it.
  w.store.records.remove('r1');
  await w.store.completions.remove('t', 'r1');
  assert.equal(await w.attempts.begin(meta, addressOf(made), nth(1), 'w1'), 'begun');
  const { status: _queued, ...about } = accepted;
  assert.deepEqual(await w.store.read('r1'), { ...about, status: 'in_progress', worker: 'w1', attempt: 1 });
  assert.deepEqual(await w.listed(), ['r1']);
  await w.canceller.remove((await w.store.read('r1')) ?? assert.fail());
  assert.equal(await w.attempts.begin(meta, addressOf(made), nth(2), 'w1'), 'gone');
});

test('a run that nobody has is queued again from what its record keeps', async () => {
  const w = await world();
  const run = await w.acceptance.accept(aRun(), work, null);
  await w.queue.clear(addressOf(run));
  await w.begin(run, nth(2), 'w1');
  const seen = (await w.store.read('r1')) ?? assert.fail();
  assert.equal(await queueAgain(w.wires, seen, 20_000), 'overdue');
  assert.equal(await queueAgain(w.wires, { ...seen, attempt: 1 }, 5), 'changed');
  assert.equal(await queueAgain(w.wires, seen, 5), 'queued');
  const { meta, body } = decodeEnvelope((await w.queue.read(addressOf(run))) ?? assert.fail());
  assert.deepEqual([meta.attemptBase, meta.deadlineAt, String(body)], [2, 10_000, '{}']);
  await w.begin(run, nth(3), 'w1');
  const end = endedBy('none', { status: 200, contentType: 'application/json' }, Buffer.from('{}'), 5);
  await w.attempts.finish('r1', nth(3), end);
  assert.equal(await queueAgain(w.wires, (await w.store.read('r1')) ?? assert.fail(), 5), 'changed');
  assert.equal(await w.store.message('r1'), null);
});
