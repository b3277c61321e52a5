import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { serverEnvironment, serviceEnvironment } from './environment.ts';

const text = z.string().optional();
const reads = (...names: string[]) => z.object(Object.fromEntries(names.map(name => [name, text])));
const shell = {
  ...{
    PATH: '/bin',
    LC_ALL: 'C',
    NODE_OPTIONS: '--x',
    NODE_AUTH_TOKEN: 'npm',
    GOMEMLIMIT: '1GiB',
    EMPTY: '',
  },
  ...{ AWS_SECRET_ACCESS_KEY: 'aws', GITHUB_TOKEN: 'git', OTEL_SERVICE_NAME: 'x', http_proxy: 'http://p' },
  ...{ PENSTOCK_A: 'a', PENSTOCK_B_FILE: '/b', PENSTOCK_OTHERS: 'others', PENSTOCK_OTHERS_FILE: '/others' },
};

test('a service gets what any program needs and its own settings, and no secret of others', () => {
  assert.deepEqual(serviceEnvironment([reads('PENSTOCK_A'), reads('PENSTOCK_B')], {}, shell), {
    ...{ PATH: '/bin', LC_ALL: 'C', NODE_OPTIONS: '--x', OTEL_SERVICE_NAME: 'x', http_proxy: 'http://p' },
    ...{ PENSTOCK_A: 'a', PENSTOCK_B_FILE: '/b' },
  });
});

test('what the stack sets goes before the environment, however that says it, and reaches only who reads it', () => {
  const own = { PENSTOCK_A_FILE: '/own', PENSTOCK_B: '', PENSTOCK_OTHERS: 'own' };
  const env = serviceEnvironment([reads('PENSTOCK_A', 'PENSTOCK_B')], own, shell);
  const settings = Object.keys(env).filter(name => name.startsWith('PENSTOCK_'));
  assert.deepEqual([settings, env['PENSTOCK_A_FILE']], [['PENSTOCK_A_FILE'], '/own']);
});

test('what the SDK of buckets looks for is for those who may reach one', () => {
  const env = serviceEnvironment([reads('PENSTOCK_FILES_S3_BUCKET')], {}, shell);
  assert.equal(env['AWS_SECRET_ACCESS_KEY'], 'aws');
});

test('a server of somebody else gets none of our settings', () => {
  assert.deepEqual(serverEnvironment(shell), { PATH: '/bin', LC_ALL: 'C', GOMEMLIMIT: '1GiB' });
});
