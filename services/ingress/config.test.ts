import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, readConfig } from '@penstock/runtime';
import { ingressConfig } from './config.ts';

const read = (env: Record<string, string>) =>
  readConfig(ingressConfig, { PENSTOCK_API_KEYS: 'sk-0123456789', ...env });

test('affinity is what the operator says for a model, for all, or what its architecture decides', () => {
  assert.equal(read({}).PENSTOCK_AFFINITY('any'), null);
  const { PENSTOCK_AFFINITY: of } = read({
    PENSTOCK_AFFINITY: 'llama=prefix, none=session,auto=none,*=session',
  });
  assert.deepEqual(['llama', 'none', 'auto', 'other'].map(of), ['prefix', 'session', 'none', 'session']);
  const { PENSTOCK_AFFINITY: own } = read({ PENSTOCK_AFFINITY: 'none,llama=auto' });
  assert.deepEqual(['llama', 'other'].map(own), [null, 'none']);
});

test('an affinity that is none is refused with those there are', () => {
  for (const text of ['sticky', 'llama=', '=prefix', 'llama=prefix,'])
    assert.throws(
      () => read({ PENSTOCK_AFFINITY: text }),
      (err: Error) =>
        err instanceof ConfigError && /PENSTOCK_AFFINITY.*auto, prefix, session, none/.test(err.message),
    );
});

test('size boundaries are two rising whole numbers', () => {
  assert.deepEqual(read({}).PENSTOCK_SIZE_BOUNDARIES, { short: 4096, medium: 16_384 });
  assert.deepEqual(read({ PENSTOCK_SIZE_BOUNDARIES: '1000,2000' }).PENSTOCK_SIZE_BOUNDARIES, {
    short: 1000,
    medium: 2000,
  });
  assert.throws(
    () => read({ PENSTOCK_SIZE_BOUNDARIES: '2000,1000' }),
    /PENSTOCK_SIZE_BOUNDARIES.*like 4096,16384/,
  );
});
