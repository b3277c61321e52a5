/**
 * What each policy decides, pinned: a change that is only meant to make the simulator faster must change no decision. After
 * a rule was changed on purpose, the failing test says which digest to put here.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { generateConversations } from '../traces/generate.ts';
import { limitTrace } from '../traces/trace.ts';
import { POLICIES, policyOf } from './policies.ts';
import { type SimulationResult, simulate } from './simulate.ts';

const DIGESTS: Readonly<Record<string, string>> = {
  'round-robin': '66b23f5b517d',
  random: 'eebb85318655',
  'power-of-two': 'ac1f3e1ffc03',
  'least-requests': 'a7d3b3d22fc8',
  'least-requests-1s': '5956d0ba121b',
  'least-requests-5s': '2dbaa5eca59a',
  'cache-aware': '6604b779b20d',
  'plain-pull': '700b63d39e67',
  'penstock-no-affinity': '697bbd5df74d',
  penstock: '72cf65f44e4f',
  oracle: 'b51ed0c1634b',
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
