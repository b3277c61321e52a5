/**
 * `npm run chaos -- --requests 800 --faults 20`, with a seed that is always the same: what is asked and what is done follow from it, when exactly it happens
 * does not. Nothing is repeated in the hope that it passes then: what breaks a rule once is a fault.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChaos } from './harness/harness.ts';

const SERVERS = { nats: 'one', redis: 'one', clocks: false } as const;
const RUN = {
  requests: 800,
  faults: 20,
  seed: 16,
  minutes: null,
  only: null,
  longest: 125,
  servers: SERVERS,
};

test(`${RUN.requests} requests of all kinds under ${RUN.faults} faults: nothing lost, mixed or stuck`, async t => {
  const { report, told } = await runChaos(RUN, line => t.diagnostic(line));
  t.diagnostic(`${report.seconds} s: ${JSON.stringify(report.ended)}`);
  assert.deepEqual(report.violations, [], told.join('\n'));
});
