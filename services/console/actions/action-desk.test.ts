import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '@penstock/fleet';
import { readDrainOrder } from '@penstock/protocol';
import { MemoryAuditLog, MemoryWorkQueue } from '@penstock/transport/memory';
import type { HttpError } from '../http/http-error.ts';
import { ActionError } from './action.ts';
import { ActionDesk, type Operator } from './action-desk.ts';
import { workerActions } from './worker-actions.ts';

const ADMIN: Operator = { who: 'abcd1234', role: 'admin', ip: '10.0.0.9' };

function startDesk(audit = new MemoryAuditLog()) {
  const done: string[] = [];
  const actions = {
    'thing.break': async (target: string) => {
      if (target === 'fixed') throw new ActionError('it cannot be broken');
      if (target === 'odd') throw new TypeError('secrets');
      done.push(target);
    },
  };
  const clock = { now: () => 77, monotonic: () => 77 };
  const desk = new ActionDesk({ actions, audit, clock, log: { info() {}, error() {} } });
  const asked = { action: 'thing.break', targets: ['a'], reason: 'tried out' };
  const refused = async (operator: Operator, body: unknown) => {
    const err = await desk.act(operator, body).then(
      () => assert.fail('it was done'),
      (thrown: HttpError) => thrown,
    );
    return err.status;
  };
  return { desk, audit, done, asked, refused };
}

test('what is done is in the audit log, with who asked for it and why; what failed has an entry of its own', async () => {
  const { desk, audit, done, asked } = startDesk();
  const results = await desk.act(ADMIN, { ...asked, targets: ['a', 'fixed', 'odd', 'a'] });
  assert.deepEqual(done, ['a'], 'once');
  assert.deepEqual(
    results.map(({ target, problem }) => `${target}: ${problem ?? 'done'}`),
    ['a: done', 'fixed: it cannot be broken', 'odd: it failed; the log of the console says more'],
  );
  const [failed, begun] = await audit.list(10);
  assert.deepEqual(begun, {
    ...{
      at: 77,
      who: 'abcd1234',
      ip: '10.0.0.9',
      action: 'thing.break',
      targets: ['a', 'fixed', 'odd'],
      reason: 'tried out',
    },
  });
  assert.equal(failed?.failures?.length, 2);
});

test('nothing is done without permission, a reason, or an entry in the audit log', async () => {
  const { done, asked, audit, refused } = startDesk();
  assert.equal(await refused({ who: 'x', role: 'viewer', ip: '10.0.0.8' }, asked), 403);
  for (const change of [
    ...[{ reason: '' }, { reason: '    x' }, { reason: 'x'.repeat(501) }, { targets: [] }, { targets: [''] }],
    ...[
      { action: 'toString' },
      { action: 'thing.mend' },
      { targets: 'a' },
      { targets: Array(201).fill('a') },
    ],
  ])
    assert.equal(await refused(ADMIN, { ...asked, ...change }), 400, JSON.stringify(change).slice(0, 60));
  assert.equal(await refused(ADMIN, null), 400);
  const refusal = { at: 77, who: 'x', ip: '10.0.0.8', action: 'console.act', targets: [], reason: 'refused' };
  const noted = [{ ...refusal, failures: ['this login may only look'] }];
  assert.deepEqual([done, await audit.list(10)], [[], noted]);
  const broken = startDesk(
    Object.assign(new MemoryAuditLog(), { add: () => Promise.reject(new Error('Redis is away')) }),
  );
  assert.equal(await broken.refused(ADMIN, broken.asked), 503);
  assert.equal(await broken.refused({ ...ADMIN, role: 'viewer' }, broken.asked), 403, 'a refusal is one');
  await assert.rejects(broken.desk.looks(ADMIN, 'letter.show', 'r1'), { status: 503 });
  assert.deepEqual(broken.done, []);
});

test('where Redis is away nothing is done, also not when it is back', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let back = () => {};
  const add = () =>
    new Promise<void>(resolve => {
      back = resolve;
    });
  const { desk, done, asked } = startDesk(Object.assign(new MemoryAuditLog(), { add }));
  const refused = assert.rejects(desk.act(ADMIN, asked), { status: 503 });
  t.mock.timers.tick(5000);
  await refused;
  back();
  await new Promise(setImmediate);
  assert.deepEqual(done, []);
});

test('an order goes to the worker it is for; one that is not heard or takes no orders is refused in words', async () => {
  const queue = new MemoryWorkQueue({ now: () => 0 });
  const member = (worker: string, report: object | undefined) =>
    ({ worker, heartbeat: { report } }) as unknown as Member;
  const fleet = { members: () => [member('w-1', {}), member('old', undefined)] };
  const actions = workerActions(fleet, queue);
  await actions['worker.drain']?.('w-1');
  await actions['worker.resume']?.('w-1');
  assert.deepEqual(
    queue.sent.items.map(({ address, payload }) => [address, readDrainOrder(payload)]),
    [true, false].map(drain => [{ kind: 'worker', worker: 'w-1' }, { drain }]),
  );
  await assert.rejects(async () => actions['worker.drain']?.('w-9'), /no such worker/);
  await assert.rejects(async () => actions['worker.drain']?.('old'), /older version/);
});
