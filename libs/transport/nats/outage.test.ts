import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOLD_MS, type ProbeOutcome, StreamOutage } from './outage.ts';

const NO_LEADER: ProbeOutcome = { kind: 'away', why: 'no leader', patienceMs: HOLD_MS };
const FULL: ProbeOutcome = { kind: 'away', why: 'no space left', patienceMs: 0 };
const LONG_MS = 60_000;

/** A stream whose probes come back as they are told, on a clock that moves with their pauses. */
function world() {
  const probes: PromiseWithResolvers<ProbeOutcome>[] = [];
  const told: (string | null)[] = [];
  const pauses: number[] = [];
  let now = 0;
  const outage = new StreamOutage({
    probe: () => {
      const probe = Promise.withResolvers<ProbeOutcome>();
      probes.push(probe);
      return probe.promise;
    },
    onChange: why => void told.push(why),
    now: () => now,
    sleep: async ms => {
      pauses.push(ms);
      now += ms;
    },
  });
  const answer = async (outcome: ProbeOutcome) => {
    probes.shift()?.resolve(outcome);
    await new Promise(setImmediate);
  };
  return {
    outage,
    probes,
    told,
    pauses,
    answer,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

/** What a publish that waits hears, once it hears it. */
function waits(outage: StreamOutage, bytes = 1, limitMs = LONG_MS) {
  const said: boolean[] = [];
  const heard = outage.whenFine(bytes, limitMs).then(isFine => void said.push(isFine));
  return { said, heard };
}

test('publishes are held while there is no leader, one probe asks for all, and they go on with the next leader', async () => {
  const { outage, probes, told, pauses, answer } = world();
  assert.equal(await outage.whenFine(1, 0), true);
  outage.begin('no leader');
  outage.begin('no leader');
  const [first, second] = [waits(outage), waits(outage)];
  for (let i = 0; i < 20; i++) await answer(NO_LEADER);
  assert.deepEqual([probes.length, first.said, outage.why, pauses.length], [1, [], null, 20]);
  await answer({ kind: 'fine' });
  assert.deepEqual([first.said, second.said, probes.length], [[true], [true], 0]);
  assert.deepEqual(told, [], 'an election is no news');
});

test('what is held for too long is refused, and so is what comes later, until something is stored', async () => {
  const { outage, told, pauses, answer, pass } = world();
  outage.begin('no leader');
  const held = waits(outage);
  await answer(NO_LEADER);
  pass(HOLD_MS);
  await answer(NO_LEADER);
  assert.deepEqual([held.said, outage.why, told], [[false], 'no leader', ['no leader']]);
  assert.equal(await outage.whenFine(1, LONG_MS), false);
  await answer(NO_LEADER);
  assert.equal(pauses.at(-1), 1000);
  await answer({ kind: 'fine' });
  assert.deepEqual([outage.why, told, await outage.whenFine(1, 0)], [null, ['no leader', null], true]);
});

test('a broker that says that it cannot write is down at once, found by a publish or by a probe', async () => {
  const { outage, told, answer } = world();
  outage.begin('no space left', 0);
  assert.deepEqual([outage.why, await outage.whenFine(1, LONG_MS)], ['no space left', false]);
  await answer({ kind: 'fine' });
  outage.begin('no leader');
  const held = waits(outage);
  await answer(FULL);
  assert.deepEqual([held.said, told], [[false], ['no space left', null, 'no space left']]);
  outage.stop();
});

test('what is no election counts from when that is known: a new leader has its time', async () => {
  const { outage, answer, pass } = world();
  const full = world();
  const notStored: ProbeOutcome = { kind: 'away', why: 'stores nothing', patienceMs: 4000 };
  outage.begin('no leader');
  pass(10_000);
  await answer(NO_LEADER);
  await answer(notStored);
  assert.equal(outage.why, null);
  await answer(NO_LEADER);
  pass(3000);
  await answer(notStored);
  assert.equal(outage.why, null);
  pass(1000);
  await answer(notStored);
  assert.equal(outage.why, null);
  outage.stop();
  full.outage.begin('no leader');
  await full.answer(notStored);
  full.pass(4000);
  await full.answer(notStored);
  assert.equal(full.outage.why, 'stores nothing');
  full.outage.stop();
});

test('nobody waits longer than the request has time, and what is held has a limit in bytes', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { outage } = world();
  outage.begin('no leader');
  const most = 64 * 1024 * 1024;
  const brief = waits(outage, most, 500);
  assert.equal(await outage.whenFine(1, LONG_MS), false);
  t.mock.timers.tick(500);
  await brief.heard;
  assert.deepEqual(brief.said, [false]);
  const next = waits(outage, most);
  outage.stop();
  await next.heard;
  assert.deepEqual(next.said, [false]);
});
