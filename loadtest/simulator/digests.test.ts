/**
 * What each policy decides, pinned: a change that is only meant to make the simulator faster must change no decision. After
 * a rule was changed on purpose, the failing test says which digest to put here.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { generateConversations } from '../workloads/generate.ts';
import { limitTrace } from '../workloads/trace.ts';
import { POLICIES, policyOf } from './policies.ts';
import { type SimulationResult, simulate } from './simulate.ts';

const DIGESTS: Readonly<Record<string, string>> = {
  'round-robin': '42745fb89396',
  random: 'c96b5eca91e1',
  'power-of-two': '6dc4aa75f517',
  'least-requests': 'b42e75e83340',
  'least-requests-1s': 'd7388de19ec1',
  'least-requests-5s': 'ed6e1ca7f68d',
  'cache-aware': 'd71ee4a42d9b',
  'plain-pull': '3caae044cd9a',
  'penstock-no-affinity': '5745590cadde',
  penstock: 'cf0e079e495a',
  oracle: 'b0395ab9c345',
};

const requests = limitTrace(generateConversations(1), {
  load: 1.3,
  maxSeconds: 400,
  maxInputTokens: 32_768,
  maxOutputTokens: 400,
});
/** Uneven, with an engine that turns slow and one that dies: every path of a dispatcher is taken. */
const fleet = [1, 1, 1, 1, 1, 2, 2, 1.5];
const events = [
  { atS: 40, kind: 'slowdown', engine: 1, factor: 5 },
  { atS: 90, kind: 'slowdown', engine: 1, factor: 1 },
  { atS: 120, kind: 'kill', engine: 3 },
] as const;

/** Of who ran what and when its first token came, in whole µs. */
function digestOf({ worker, ttftMs, tpotMs }: SimulationResult): string {
  const times = [...ttftMs, ...tpotMs].map(ms => Math.round(ms * 1000));
  return hash('sha1', `${worker.join()} ${times.join()}`).slice(0, 12);
}

for (const name of Object.keys(POLICIES)) {
  test(`${name} decides as ever`, () => {
    const run = { policy: policyOf(name), requests, profile: 'dense-70b-h100x4', fleet, events, seed: 7 };
    assert.equal(digestOf(simulate(run)), DIGESTS[name]);
  });
}

test('another seed is another run where chance has a say', () => {
  const run = { policy: policyOf('power-of-two'), requests, profile: 'dense-70b-h100x4', fleet };
  assert.notEqual(digestOf(simulate({ ...run, seed: 1 })), digestOf(simulate({ ...run, seed: 2 })));
});
