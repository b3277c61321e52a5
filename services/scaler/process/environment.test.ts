import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineEnvironment, workerEnvironment } from './environment.ts';

const scaler = {
  ...{ PATH: '/bin', PENSTOCK_NATS_URL: 'nats://n', PENSTOCK_NATS_USER: 'scaler' },
  ...{ PENSTOCK_NATS_PASSWORD_FILE: '/scaler', PENSTOCK_REDIS_PASSWORD: 'scaler' },
  ...{ PENSTOCK_SCALE_WEBHOOK_SECRET: 'whsec_x', PENSTOCK_POOLS: '[]', PENSTOCK_SIM_SLOWDOWN: '2' },
};

test('a worker is who its settings say, and gets nothing that only its scaler needs', () => {
  const own = { PENSTOCK_NATS_USER: 'worker', PENSTOCK_NATS_PASSWORD_FILE: '/worker' };
  const shared = { PATH: '/bin', PENSTOCK_NATS_URL: 'nats://n', PENSTOCK_SIM_SLOWDOWN: '2' };
  assert.deepEqual(workerEnvironment(scaler, own), { ...shared, ...own });
});

test('without settings of its own it is who the scaler is', () => {
  assert.equal(workerEnvironment(scaler, {})['PENSTOCK_NATS_USER'], 'scaler');
  assert.equal(workerEnvironment(scaler, {})['PENSTOCK_SCALE_WEBHOOK_SECRET'], undefined);
});

test('a simulated engine learns of no server', () => {
  assert.deepEqual(engineEnvironment(scaler), { PATH: '/bin', PENSTOCK_SIM_SLOWDOWN: '2' });
});
