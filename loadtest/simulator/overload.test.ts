import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import {
  CHAT,
  type OverloadCase,
  type OverloadRun,
  runEstimates,
  runOverload,
  SHORT,
} from './overload-plan.ts';

const SECONDS = 40;

/** Of who was answered when, and who was refused when, in whole µs. A change of a rule on purpose puts its new one here. */
const DIGESTS: Readonly<Record<string, string>> = {
  chat: '6595f8bce246',
  short: 'a9836e5ea577',
  halved: 'a04dced550e3',
};

const CASES: Readonly<Record<string, OverloadCase>> = {
  chat: { workload: CHAT, load: 3, door: 'estimate', seconds: 150 },
  short: { workload: SHORT, load: 2, door: 'estimate', seconds: SECONDS },
  halved: { workload: SHORT, load: 2, door: 'estimate', seconds: SECONDS, isHalved: true },
};

function digestOf({ result }: OverloadRun): string {
  const times = [...result.ttftMs, ...result.refusedMs].map(ms => Math.round(ms * 1000));
  return hash('sha1', times.join()).slice(0, 12);
}

for (const [name, of] of Object.entries(CASES)) {
  test(`with far more than a fleet can do, what is admitted is in time, and nothing is left idle: ${name}`, () => {
    const run = runOverload(of);
    const fifo = runOverload({ ...of, door: 'fifo' });
    assert.ok(run.goodPerSecond >= 0.9 * fifo.perSecond, `${run.goodPerSecond} of ${fifo.perSecond}`);
    assert.ok(fifo.goodPerSecond < 0.65 * fifo.perSecond, 'it takes no rule to do that well');
    assert.ok(run.late < 0.06 * run.inTime, `${run.late} of ${run.inTime} are late`);
    assert.ok(run.refusedAtOnce > 2 * run.refusedLater, 'most are told at once');
    assert.equal(digestOf(run), DIGESTS[name]);
  });
}

test('nobody is refused where there is room for all', () => {
  for (const workload of [CHAT, SHORT]) {
    const run = runOverload({ workload, load: 0.8, door: 'estimate', seconds: SECONDS });
    assert.equal(run.refusedAtOnce + run.refusedLater, 0);
  }
});

test('who floods is refused, and others are not', () => {
  const tenants = [
    { owner: 'a', load: 2 },
    { owner: 'flood', load: 100 },
  ];
  const { requests, result } = runOverload({
    ...{ workload: SHORT, load: 0 },
    door: 'estimate',
    seconds: SECONDS,
    tenants,
  });
  const refused = (owner: string) =>
    requests.filter((request, i) => request.owner === owner && !Number.isNaN(result.refusedMs[i])).length;
  assert.equal(refused('a'), 0);
  assert.ok(refused('flood') > 100);
});

test('half of all estimates are off by less than a third, and nine tenths within three times', () => {
  for (const [workload, seconds] of [[CHAT, 120] as const, [SHORT, SECONDS] as const]) {
    const { door } = runEstimates(workload, 2, seconds);
    assert.ok(door.p50 > 0.75 && door.p50 < 1.33, `${workload.name}: ${door.p50}`);
    assert.ok(door.p10 > 1 / 3 && door.p90 < 3, `${workload.name}: ${door.p10} to ${door.p90}`);
  }
});
