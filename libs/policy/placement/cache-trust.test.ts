import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learnTrust, trustedTokens } from './cache-trust.ts';

test('a cache that never holds what it should draws nothing after a few answers, and is trusted again when it does', () => {
  let trust = 1;
  for (let answer = 0; answer < 8; answer++) trust = learnTrust(trust, 0.9, 0);
  assert.ok(trustedTokens(9000, trust) < 1000);
  for (let answer = 0; answer < 8; answer++) trust = learnTrust(trust, 0.9, 0.88);
  assert.equal(trustedTokens(9000, trust), 9000);
});

test('one miss changes little, and an answer without an expected hit changes nothing', () => {
  assert.ok(trustedTokens(9000, learnTrust(1, 0.9, 0)) > 6000);
  assert.equal(learnTrust(0.4, 0, 0.9), 0.4);
  assert.equal(learnTrust(1, 0.5, 0.9), 1, 'more than expected is no more than right');
});
