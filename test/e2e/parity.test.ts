/**
 * What real processes decided is replayed in the simulator. Decision by decision: the same events give the same bids, the same
 * fleet the same placement. As a whole: the same caches, and the same times on the engines' own timeline. Whether the simulator,
 * left to decide, has the same preferences hangs on how busy the machine is: `npm run bench -- parity` tells.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { median } from '../../loadtest/bench/measure/load.ts';
import { FLEET, PROFILE, type RealRun, runReally, type Served } from '../../loadtest/bench/parity.ts';
import type { DispatcherFactory } from '../../loadtest/simulator/dispatchers/dispatcher.ts';
import { replayBids, replayPlacements } from '../../loadtest/simulator/penstock/replay.ts';
import { simulate } from '../../loadtest/simulator/simulate.ts';
import { BLOCK_TOKENS, type TraceRequest } from '../../loadtest/workloads/trace.ts';

/** Simulated seconds in a real one. */
const SPEED = 12;

/** Requests whose cached tokens differ by a block or more. */
function differing(one: ArrayLike<number>, other: ArrayLike<number>): number {
  return Array.from(one).filter((tokens, i) => Math.abs(tokens - (other[i] ?? 0)) >= BLOCK_TOKENS).length;
}

/**
 * Indexes of requests that came to an engine which was computing no other prompt, neither really nor in the replay. What the others
 * found of such a prompt hangs on single milliseconds, and a busy machine is late with those.
 */
function settledCaches(served: readonly Served[], replayedTtftMs: ArrayLike<number>): number[] {
  return served.flatMap((request, i) => {
    const computing = served.slice(0, i).some((earlier, k) => {
      const replayedAt = earlier.submittedAt + (replayedTtftMs[k] ?? 0) / SPEED;
      const firstTokenAt = Math.max(earlier.firstTokenAt, replayedAt);
      return earlier.worker === request.worker && firstTokenAt >= request.submittedAt;
    });
    return computing ? [] : [i];
  });
}

let real: RealRun;
before(async () => {
  real = await runReally(SPEED);
});

test('the same events give the same bids, renewal by renewal', t => {
  for (const [worker, events] of real.bidding.entries()) {
    const replayed = replayBids(events);
    t.diagnostic(`worker ${worker}: ${replayed.length} renewals`);
    assert.ok(replayed.length > 20);
    for (const { really, simulated } of replayed) assert.deepEqual(simulated, really);
  }
});

test('the same fleet gives the same placement, request by request', t => {
  const replayed = replayPlacements(real.placements);
  const kinds = Map.groupBy(real.placements, ({ placement }) => placement.reason);
  for (const [reason, all] of kinds) t.diagnostic(`${reason}: ${all.length} placements`);
  assert.ok(replayed.length > 20 && kinds.size > 1);
  for (const { really, simulated } of replayed) assert.deepEqual(simulated, really);
});

test('the simulator repeats a real run', t => {
  const { requests, served, told } = real;
  const first = served[0]?.submittedAt ?? 0;
  const sent = served.map(({ index, submittedAt }): TraceRequest => {
    const request = requests[index];
    assert.ok(request);
    return { ...request, atMs: (submittedAt - first) * SPEED };
  });
  const same: DispatcherFactory = fleet => ({
    arrive: (request, index) => void fleet.send(request, index, served[index]?.worker ?? 0),
  });
  const fleet = { profile: PROFILE, fleet: FLEET };
  const replayed = simulate({ ...fleet, requests: sent, policy: same });
  const attempts = Map.groupBy(served, ({ index }) => index);
  assert.equal(attempts.size, requests.length);
  for (const [index, [only, ...more]] of attempts) {
    if (only === undefined || more.length > 0) continue;
    const { worker, cachedTokens } = only;
    assert.deepEqual({ worker, cachedTokens }, told[index], 'what the client is told is what the engine did');
  }
  const cachedReal = served.map(({ cachedTokens }) => cachedTokens);
  const settled = settledCaches(served, replayed.ttftMs);
  t.diagnostic(`requests that found no prompt being computed: ${settled.length} of ${served.length}`);
  assert.ok(settled.length > 20);
  const pick = (tokens: ArrayLike<number>) => settled.map(i => tokens[i] ?? 0);
  assert.equal(differing(pick(cachedReal), pick(replayed.cachedTokens)), 0);
  const ttftMs = served.map(({ submittedAt, firstTokenAt }) => (firstTokenAt - submittedAt) * SPEED);
  const [realMs, simMs] = [median(ttftMs), median([...replayed.ttftMs])];
  const ratio = median(ttftMs.map((ms, i) => ms / (replayed.ttftMs[i] ?? 0)));
  t.diagnostic(
    `median time to the first token: ${realMs.toFixed(0)} ms really, ${simMs.toFixed(0)} replayed; median ratio ${ratio.toFixed(3)}`,
  );
  assert.ok(ratio > 0.95 && ratio < 1.05);
  // The same requests decided otherwise do not pass for the run. How many find less hangs on how many had found something.
  const dealtFrom =
    (first: number): DispatcherFactory =>
    fleet => ({
      arrive: (request, index) => void fleet.send(request, index, (first + index) % FLEET.length),
    });
  const dealt = FLEET.map((_, first) => {
    const { cachedTokens } = simulate({ ...fleet, requests: sent, policy: dealtFrom(first) });
    return differing(cachedReal, cachedTokens);
  });
  const most = Math.max(...dealt);
  t.diagnostic(`requests with other cached tokens when dealt in turn: ${most}`);
  assert.ok(most > 0);
});
