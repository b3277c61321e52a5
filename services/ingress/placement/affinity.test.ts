import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fleet } from '@penstock/fleet';
import type { Candidate } from '@penstock/policy';
import type { PlacementStore } from '@penstock/transport';
import type { IngressMetrics } from '../metrics.ts';
import { Affinity } from './affinity.ts';
import { BLOCK_TOKENS } from './prefix-chain.ts';

const RATE = 10_000;
const worker = (name: string, waitS: number, tokensPerSec = RATE): Omit<Candidate, 'matchedTokens'> => ({
  worker: name,
  waitS,
  tokensPerSec,
  load: 0,
});

/** An ingress that knows a fleet, and who served the leading blocks of any prompt. */
function startAffinity(fleet: readonly Omit<Candidate, 'matchedTokens'>[], owner: string | null = null) {
  let looks = 0;
  const store = {
    lookup: async (chain: readonly string[]) => chain.map(() => (owner === null ? [] : [`${owner}:0`])),
  } as unknown as PlacementStore;
  const known = {
    candidates: (_slug: string, matched: ReadonlyMap<string, number>) => {
      looks++;
      return fleet.map(each => ({ ...each, matchedTokens: matched.get(each.worker) ?? 0 }));
    },
    owners: (_slug: string, matched: ReadonlyMap<string, number>) =>
      fleet
        .filter(each => matched.has(each.worker))
        .map(each => ({ ...each, matchedTokens: matched.get(each.worker) ?? 0 })),
    summary: () => ({ fastestTokensPerSec: RATE, meanLoad: 0 }),
    fleetRate: () => RATE,
    trustIn: () => 1,
    mayHold: () => true,
  } as unknown as Fleet;
  const affinity = new Affinity(store, known, {} as unknown as IngressMetrics, () => 'prefix');
  const place = async (promptTokens: number, bytesPerToken = 4) => {
    const text = () => Buffer.alloc(promptTokens * bytesPerToken, 'x');
    const request = { slug: 'm', tenant: 't', cacheKey: null, sessionKey: () => null, promptTokens, text };
    return (await affinity.place(affinity.keyOf(request))).placement;
  };
  return { place, looks: () => looks };
}

const SCARCE = [worker('fast', 0), worker('busy-1', 2), worker('busy-2', 2), worker('slow', 0, RATE / 2)];

test('a long prompt that no cache holds goes to a slower worker while few fast ones are idle', async () => {
  const { place, looks } = startAffinity(SCARCE);
  const placement = await place(24 * BLOCK_TOKENS);
  assert.ok(placement.kind === 'bound' && placement.worker === 'slow' && placement.reason === 'spares_fast');
  assert.equal(looks(), 1);
  assert.equal((await place(8 * BLOCK_TOKENS)).reason, 'no_match');
  assert.equal(looks(), 1, 'for a short prompt no worker is considered');
});

test('an owner is preferred, and a busy one spared too', async () => {
  const owned = await startAffinity(SCARCE, 'fast').place(24 * BLOCK_TOKENS);
  assert.ok(owned.kind === 'bound' && owned.worker === 'fast' && owned.reason === 'cached');
  const late = SCARCE.map(each => (each.worker === 'busy-1' ? { ...each, waitS: 9 } : each));
  const placement = await startAffinity(late, 'busy-1').place(24 * BLOCK_TOKENS);
  assert.ok(placement.kind === 'bound' && placement.reason === 'spares_fast');
});

test('what a cache holds is told in the tokens of the prompt, however many bytes they take', async () => {
  for (const bytesPerToken of [2, 4, 8]) {
    const placement = await startAffinity(SCARCE, 'fast').place(24 * BLOCK_TOKENS, bytesPerToken);
    assert.ok(placement.kind === 'bound' && placement.matchedTokens === 24 * BLOCK_TOKENS);
  }
});

test('other workers are considered only if the owner is late', async () => {
  const fleet = (waitS: number) => [worker('owner', waitS), worker('other', 0.2), worker('third', 0)];
  const calm = startAffinity(fleet(0.3), 'owner');
  const kept = await calm.place(8 * BLOCK_TOKENS);
  assert.ok(kept.kind === 'bound' && kept.worker === 'owner');
  assert.equal(calm.looks(), 0);
  const late = startAffinity(fleet(5), 'owner');
  assert.equal((await late.place(8 * BLOCK_TOKENS)).reason, 'owner_busy');
  assert.equal(late.looks(), 1);
});
