import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROFILES } from '@penstock/engine-sim';
import { Batcher } from '../../services/engine-sim/batching/batcher.ts';
import { generateConversations } from '../workloads/generate.ts';
import { SCENARIOS, type ScenarioName, scenarioOf } from '../workloads/scenarios.ts';
import { summarize } from '../workloads/summary.ts';
import { limitTrace, type TraceRequest } from '../workloads/trace.ts';
import { Agenda, Timer } from './engine/agenda.ts';
import { FluidEngine } from './engine/fluid-engine.ts';
import { POLICIES, policyOf } from './policies.ts';
import { outcomesOf, simulate } from './simulate.ts';

const profile = PROFILES['dense-70b-h100x4'];
assert.ok(profile);
const limits = { maxSeconds: 200, maxInputTokens: 32_768, maxOutputTokens: 400 };
const requests = limitTrace(generateConversations(1), limits);
const fleet = [1, 1, 1, 1, 1, 1, 2, 2];

function run(name: string, events = SCENARIOS.uneven.events) {
  return simulate({ policy: policyOf(name), requests, profile: 'dense-70b-h100x4', fleet, events });
}

test('timers run in order, can be moved and taken back', () => {
  const agenda = new Agenda();
  const ran: string[] = [];
  const [a, b, c] = ['a', 'b', 'c'].map(name => new Timer(() => ran.push(`${name}${agenda.now}`)));
  assert.ok(a && b && c);
  agenda.set(a, 30);
  agenda.set(b, 10);
  agenda.set(c, 20);
  agenda.set(a, 5);
  agenda.cancel(c);
  agenda.runUntil(100);
  assert.deepEqual(ran, ['a5', 'b10']);
  assert.equal(agenda.now, 100);
});

/** First token and end of each request by the batcher that runs every step, ms. */
function stepByStep(work: readonly TraceRequest[]): [first: number, end: number][] {
  const agenda = new Agenda();
  let wake: () => void = () => {};
  const timer = new Timer(() => wake());
  const clock = {
    now: () => agenda.now,
    wakeAt: (time: number, next: () => void) => {
      wake = next;
      agenda.set(timer, time);
    },
    cancel: () => agenda.cancel(timer),
  };
  const batcher = new Batcher({ profile: profile as NonNullable<typeof profile>, clock });
  const times = work.map((): [number, number] => [0, 0]);
  for (const [i, request] of work.entries()) {
    agenda.runUntil(request.atMs);
    batcher.submit({
      promptTokens: request.inputTokens,
      outputTokens: request.outputTokens,
      deliver: (produced, done) => {
        const own = times[i] ?? [0, 0];
        if (produced > 0 && own[0] === 0) own[0] = agenda.now;
        if (done) own[1] = agenda.now;
      },
    });
  }
  while (agenda.runNext());
  return times;
}

test('the fluid engine keeps the time of the one that runs every step', () => {
  const work = requests.slice(0, 60).map((request, i) => ({ ...request, atMs: i * 900, blocks: [] }));
  const exact = stepByStep(work);
  const agenda = new Agenda();
  const fluid = work.map((): [number, number] => [0, 0]);
  const engine = new FluidEngine(0, profile as NonNullable<typeof profile>, 1, agenda, {
    firstToken: job => {
      fluid[job.index] = [agenda.now, 0];
    },
    finished: job => {
      fluid[job.index] = [job.firstAt, agenda.now];
    },
  });
  for (const [i, request] of work.entries()) {
    agenda.runUntil(request.atMs);
    engine.submit(request, i);
  }
  while (agenda.runNext());
  const mean = (times: [number, number][], which: 0 | 1) =>
    times.reduce((sum, time, i) => sum + time[which] - (work[i]?.atMs ?? 0), 0) / times.length;
  for (const which of [0, 1] as const) {
    const ratio = mean(fluid, which) / mean(exact, which);
    assert.ok(
      Math.abs(ratio - 1) < 0.05,
      `${which === 0 ? 'first tokens' : 'ends'} differ by × ${ratio.toFixed(3)}`,
    );
  }
});

for (const name of Object.keys(POLICIES)) {
  test(`${name} answers every request, the same way each time`, () => {
    const result = run(name);
    assert.equal(summarize(requests, outcomesOf(result)).failed, 0);
    assert.deepEqual(run(name), result);
  });
}

test('on an uneven fleet estimated wait beats counting requests', () => {
  const p99 = (name: string) => summarize(requests, outcomesOf(run(name))).ttftP99S;
  const own = p99('penstock');
  assert.ok(own < p99('cache-aware') && own < p99('power-of-two') && own < p99('plain-pull'));
});

test('where prompts begin alike it is as good as knowing everything', () => {
  const { trace, profile, fleet } = scenarioOf('system-prompt');
  // As long as the page's: in the first minutes the tail is the cold caches', and what is copied then is most of it.
  const { requests } = trace({ maxSeconds: 900 }, 1);
  const judge = (name: string, on: readonly number[] = fleet) => {
    const result = simulate({ policy: policyOf(name), requests, profile, fleet: on });
    return summarize(requests, outcomesOf(result));
  };
  const [own, best] = [judge('penstock'), judge('oracle')];
  assert.ok(own.ttftP99S < 1.3 * best.ttftP99S, `${own.ttftP99S} against ${best.ttftP99S}`);
  assert.ok(own.hit > 0.95 * best.hit);
  const even = judge('penstock', [1, 1, 1, 1, 1, 1, 1, 1]);
  assert.ok(even.maxOverMean <= 1.25, `the busiest worker did ${even.maxOverMean} times the mean`);
});

test('a killed engine gives up what it ran, and nothing is lost', () => {
  const events = [{ atS: 60, kind: 'kill', engine: 2 }] as const;
  for (const name of ['penstock', 'plain-pull', 'cache-aware']) {
    const result = simulate({ policy: policyOf(name), requests, profile: 'dense-70b-h100x4', fleet, events });
    assert.equal(summarize(requests, outcomesOf(result)).failed, 0, name);
  }
});

test('every scenario has requests, in order', () => {
  for (const name of Object.keys(SCENARIOS) as ScenarioName[]) {
    const { requests: all } = scenarioOf(name).trace({ maxSeconds: 300 }, 1);
    assert.ok(all.length > 10, name);
    assert.ok(
      all.every((request, i) => i === 0 || request.atMs >= (all[i - 1]?.atMs ?? 0)),
      name,
    );
  }
});

test('unknown names are refused with the names there are', () => {
  assert.throws(() => policyOf('nonsense'), /no policy nonsense; there are round-robin/);
  assert.throws(() => scenarioOf('toString'), /no scenario toString; there are uneven/);
});
