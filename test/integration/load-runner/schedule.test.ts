/** Does the runner start what it should, when it should, and tell how late it was? */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../../loadtest/k6-runner/run.ts';
import { scriptDirectory, startTarget } from '../../../testkit/load-target.ts';

const ASK = `
import http from 'k6/http';
export const ask = () => http.asyncRequest('GET', __ENV.TARGET + '/ask');
`;

async function runScenarios(target: { url: string }, scenarios: object, more = '') {
  await using scripts = await scriptDirectory();
  const path = await scripts.script(
    `${ASK}\nexport const options = { scenarios: ${JSON.stringify(scenarios)}, summaryTrendStats: ['count', 'avg', 'med', 'p(90)', 'max'] };\n${more}`,
  );
  // Awaited here: the directory of the scripts goes when this function returns.
  // How late the generator may be depends on the machine: here it matters what it starts.
  return await run(path, { env: { TARGET: target.url }, maxLateMs: 60_000 });
}

function statOf(result: Awaited<ReturnType<typeof run>>, metric: string, stat: string): number {
  return result.summary?.metrics[metric]?.values[stat] ?? 0;
}

test('arrival rates: as many requests as planned, exactly', async () => {
  await using target = await startTarget();
  // As many VUs as requests: none is dropped, however slowly a busy machine answers.
  const arrivals = { exec: 'ask', preAllocatedVUs: 20, maxVUs: 400 };
  const result = await runScenarios(target, {
    steady: { executor: 'constant-arrival-rate', rate: 150, duration: '2s', ...arrivals },
    ramp: {
      executor: 'ramping-arrival-rate',
      stages: [
        { duration: '1s', target: 100 },
        { duration: '1s', target: 0 },
      ],
      ...arrivals,
    },
  });
  assert.deepEqual(result.problems, []);
  assert.equal(target.seen.length, 300 + 100);
  assert.equal(statOf(result, 'iterations', 'count'), 400);
  assert.equal(statOf(result, 'iteration_late_start', 'count'), 400);
});

test('an arrival whose VU is ready only after the last one was due begins late, and is not dropped', async () => {
  await using target = await startTarget();
  // A VU takes longer to make than all arrivals to come.
  const slow = 'await new Promise(done => setTimeout(done, 400));';
  const result = await runScenarios(
    target,
    {
      late: {
        ...{ executor: 'constant-arrival-rate', rate: 20, duration: '200ms', exec: 'ask' },
        ...{ preAllocatedVUs: 0, maxVUs: 4 },
      },
    },
    slow,
  );
  assert.deepEqual(result.problems, []);
  assert.equal(target.seen.length, 4);
  assert.equal(statOf(result, 'dropped_iterations', 'count'), 0);
});

test('closed models: iterations are shared or each to their own, VUs follow their ramp', async () => {
  await using target = await startTarget();
  const nap = `export const nap = () => new Promise(done => setTimeout(done, 50));
    export const linger = () => new Promise(done => setTimeout(done, 300));`;
  const result = await runScenarios(
    target,
    {
      shared: { executor: 'shared-iterations', vus: 3, iterations: 10, exec: 'ask' },
      own: { executor: 'per-vu-iterations', vus: 3, iterations: 4, exec: 'ask' },
      hurried: { executor: 'shared-iterations', vus: 2, iterations: 9, maxDuration: '120ms', exec: 'linger' },
      ramp: {
        executor: 'ramping-vus',
        startVUs: 0,
        exec: 'nap',
        stages: [
          { duration: '500ms', target: 10 },
          { duration: '500ms', target: 0 },
        ],
      },
    },
    nap,
  );
  assert.deepEqual(result.problems, []);
  assert.equal(target.seen.length, 10 + 12);
  // Two could begin in time; k6 too counts those for which there is none as dropped.
  assert.equal(statOf(result, 'dropped_iterations', 'count'), 7);
  const naps = statOf(result, 'iterations', 'count') - 22 - 2;
  // On average five VUs for a second, each with at most one iteration in 50 ms, and ten that began before the end.
  assert.ok(naps >= 10 && naps <= 120, `${naps} iterations of the ramp`);
});

test('a stall of the server is seen in the scheduled latency also where arrivals had to be dropped', async () => {
  const STALL_FROM_MS = 1000;
  const STALL_TO_MS = 2000;
  let firstAt = 0;
  await using target = await startTarget(async ({ response }) => {
    firstAt ||= performance.now();
    const at = performance.now() - firstAt;
    if (at >= STALL_FROM_MS && at < STALL_TO_MS)
      await new Promise(resolve => setTimeout(resolve, STALL_TO_MS - at));
    response.end();
  });
  const result = await runScenarios(target, {
    few: { executor: 'constant-arrival-rate', rate: 100, duration: '3s', preAllocatedVUs: 20, exec: 'ask' },
  });
  const dropped = statOf(result, 'dropped_iterations', 'count');
  // A hundred come while it stalls, and there are twenty VUs; a machine that stalls too drops more.
  assert.ok(dropped >= 70, `${dropped} dropped`);
  assert.equal(dropped + statOf(result, 'iterations', 'count'), 300);
  // What k6 shows are the requests that were sent, of which few were slow; of the users who came one in three met the stall.
  assert.equal(statOf(result, 'iteration_duration_from_schedule', 'count'), 300);
  const seenByUsers = statOf(result, 'iteration_duration_from_schedule', 'p(90)');
  assert.ok(seenByUsers > 500, `${seenByUsers} ms`);
  const total = (metric: string) => statOf(result, metric, 'avg') * statOf(result, metric, 'count');
  assert.ok(total('iteration_duration_from_schedule') > total('http_req_duration'));
});

test('a generator that cannot keep up says so and fails, and its lateness is in the scheduled latency', async () => {
  await using target = await startTarget();
  await using scripts = await scriptDirectory();
  const path = await scripts.script(`${ASK}
export const options = {
  scenarios: { a: { executor: 'constant-arrival-rate', rate: 50, duration: '1s', preAllocatedVUs: 50 } },
  summaryTrendStats: ['med', 'max'],
};
export default function () {
  const until = Date.now() + 40;
  while (Date.now() < until);
  return ask();
}`);
  const result = await run(path, { env: { TARGET: target.url } });
  assert.equal(result.exitCode, 120);
  assert.match(result.problems[0] ?? '', /the generator was late: starts p\(99\) \d+ ms/);
  const lateMs = result.summary?.generator.lateStartMaxMs ?? 0;
  // Fifty iterations of 40 ms each do not fit into a second.
  assert.ok(lateMs > 500, `${lateMs} ms late`);
  assert.ok(statOf(result, 'http_req_duration_from_schedule', 'max') >= lateMs);
});

test('what runs longer than the grace is cut off, counted, and never comes back', async () => {
  await using target = await startTarget();
  const result = await runScenarios(
    target,
    {
      slow: { executor: 'constant-vus', vus: 2, duration: '300ms', gracefulStop: '200ms', exec: 'slow' },
      graced: { executor: 'constant-vus', vus: 1, duration: '300ms', gracefulStop: '10s', exec: 'graced' },
    },
    `export async function slow() { await new Promise(done => setTimeout(done, 60000)); await ask(); }
     export async function graced() { await new Promise(done => setTimeout(done, 500)); await ask(); }`,
  );
  assert.deepEqual(result.problems, []);
  assert.equal(statOf(result, 'iterations_interrupted', 'count'), 2);
  assert.equal(statOf(result, 'iterations', 'count'), 1);
  assert.equal(target.seen.length, 1);
  assert.ok((result.summary?.state.testRunDurationMs ?? 0) < 30_000, 'nobody waits for what was cut off');
});
