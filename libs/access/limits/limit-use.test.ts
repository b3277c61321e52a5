import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Project } from '@penstock/protocol';
import type { LimitNotes } from '@penstock/transport';
import { MemoryLimitLedger, MemoryLimitUse } from '@penstock/transport/memory';
import { allOf, LimitActivity } from './limit-activity.ts';
import { fullestOf, LimitUse } from './limit-use.ts';
import { ProjectLimiter } from './project-limiter.ts';
import { ResourceLimits } from './resource-limits.ts';

const LIMITS = {
  '*': { tpm_limit: 1000, max_parallel_requests: 4, max_budget: 100, max_files: 8, budget_duration: 86_400 },
  fast: { rpm_limit: 10 },
};

function start() {
  let nowMs = 86_400_000 * 100;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const [ledger, records] = [new MemoryLimitLedger(clock), new MemoryLimitUse()];
  const settings = {
    ...{ defaults: { max_files: 1, max_open_batches: 2 }, isShadow: false, passesUncounted: false },
    priceOf: () => ({ prompt: 10_000, output: 10_000 }),
  };
  const told: LimitNotes[] = [];
  const note = (notes: LimitNotes, now: number) => {
    told.push(notes);
    return records.note(notes, now);
  };
  const activity = new LimitActivity({ connected: true, note }, clock);
  const observer = allOf([activity]);
  const targetOf = (name: string) => (name === 'fast' ? 'm' : name);
  const limiter = new ProjectLimiter({ ledger, settings, targetOf, observer, clock });
  const resources = new ResourceLimits(settings, observer);
  const projects = {
    project: async (id: string) =>
      id === 'p-1' ? ({ name: 'One', limits: LIMITS } as Partial<Project> as Project) : null,
  };
  const use = new LimitUse({ ledger, records, projects, settings, targetOf, clock });
  const enter = (id: string, tokens: number) =>
    limiter.enter(
      { project: 'p-1', limits: LIMITS },
      {
        ...{ id, endpoint: 'chat', model: { name: 'm', slug: 'm' }, part: 1, isParallel: true },
        use: { prompt: tokens, output: 0 },
      },
    );
  const pass = (ms: number) => {
    nowMs += ms;
    activity.tick();
  };
  return { use, enter, resources, records, activity, told, pass };
}

test('what is used is told of each limit in its own unit, of models and of what is kept, too', async () => {
  const { use, enter, records } = start();
  await enter('r-1', 100);
  await enter('r-2', 150);
  records.kept.set('p-1', { max_files: 6, max_open_batches: 1, max_webhook_endpoints: 3 });
  const [of] = await use.of(['p-1']);
  assert.equal(of?.name, 'One');
  assert.deepEqual(
    of?.limits.map(({ name, model, most, used }) => [name, model, most, used]),
    [
      ['tpm_limit', null, 1000, 250],
      ['max_parallel_requests', null, 4, 2],
      ['max_budget', null, 100, 2.5],
      ['rpm_limit', 'fast', 10, 2],
      ['max_files', null, 8, 6],
      ['max_open_batches', null, 2, 1],
    ],
  );
  assert.equal(fullestOf(of ?? assert.fail()), 0.75);
});

test('a project that is kept nowhere has the limits of all, and one without limits is not full', async () => {
  const { use } = start();
  const [of] = await use.of(['0123456789abcdef']);
  assert.deepEqual([of?.name, of?.limits.map(({ name }) => name)], [null, ['max_files', 'max_open_batches']]);
  assert.equal(fullestOf({ limits: [] }), 0);
  assert.equal(
    fullestOf({ limits: [{ name: 'rpm_limit', model: null, most: 0, used: 0, isEnforced: true }] }),
    1,
  );
});

test('who was active and who was refused is told together, every five seconds, and not what was not refused', async () => {
  const { use, enter, resources, activity, told, pass } = start();
  await enter('r-1', 900);
  await assert.rejects(async () => enter('r-2', 900), { code: 'rate_limit_exceeded' });
  const other = resources.of({ project: 'p-2', limits: { '*': { shadow: 1 } } }, 'files');
  other.check({ max_files: [5, 1] });
  assert.throws(() => resources.of({ project: 'p-1', limits: LIMITS }, 'files').check({ max_files: [8, 1] }));
  activity.tick();
  pass(4999);
  await enter('r-3', 1);
  assert.equal(told.length, 1, 'all that was seen until then, at once');
  assert.deepEqual(told[0]?.seen.toSorted(), ['p-1', 'p-2']);
  assert.deepEqual(told[0]?.refusals, [
    { project: 'p-1', limit: 'tpm_limit', count: 1 },
    { project: 'p-1', limit: 'max_files', count: 1 },
  ]);
  pass(1);
  assert.deepEqual(told[1], { seen: ['p-1'], refusals: [] });
  assert.deepEqual(await use.latest(1), ['p-1']);
  assert.deepEqual(
    (await use.of(['p-1', 'p-2'])).map(({ refusedToday }) => refusedToday),
    [{ tpm_limit: 1, max_files: 1 }, {}],
  );
});

test('lines of batches that wait are seen, and nobody was refused', async () => {
  const { activity, told, pass } = start();
  activity
    .withoutRefusals()
    .refused({ project: 'p-1', limit: 'rpm_limit', endpoint: 'chat', isShadow: false });
  pass(0);
  assert.deepEqual(told, [{ seen: ['p-1'], refusals: [] }]);
});
