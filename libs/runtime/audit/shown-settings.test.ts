import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { shownSettings } from './shown-settings.ts';

const names = [
  ...[
    'PENSTOCK_PORT',
    'PENSTOCK_API_KEYS',
    'PENSTOCK_NATS_PASSWORD',
    'PENSTOCK_REDIS_URL',
    'PENSTOCK_NATS_URL',
  ],
  ...['PENSTOCK_WEBHOOKS', 'PENSTOCK_MODEL_DEFAULTS', 'PENSTOCK_TLS_KEY', 'PENSTOCK_REGION'],
];
const schema = z.object(Object.fromEntries(names.map(name => [name, z.string().optional()])));

test('what is set is shown, of secrets only that, and nothing of the rest of the environment', () => {
  const shown = shownSettings(schema, {
    PENSTOCK_PORT: '8080',
    PENSTOCK_API_KEYS: 'sk-hunter22',
    PENSTOCK_NATS_PASSWORD: 'hunter22',
    PENSTOCK_REDIS_URL: 'redis://me:hunter22@r:6379/0',
    PENSTOCK_NATS_URL: 'nats://hunter22@a:4222,nats://me:hunter22@b:4222',
    PENSTOCK_WEBHOOKS: '[{"secret":"hunter22"}]',
    PENSTOCK_MODEL_DEFAULTS: '{"*":{"a":"hunter22"}}',
    PENSTOCK_TLS_KEY_FILE: '/run/tls.key',
    PENSTOCK_REGION: '',
    HOME: '/hunter22',
  });
  assert.deepEqual(shown, {
    PENSTOCK_PORT: '8080',
    PENSTOCK_API_KEYS: '(set)',
    PENSTOCK_NATS_PASSWORD: '(set)',
    PENSTOCK_REDIS_URL: 'redis://…@r:6379/0',
    PENSTOCK_NATS_URL: 'nats://…@a:4222,nats://…@b:4222',
    PENSTOCK_WEBHOOKS: '(set)',
    PENSTOCK_MODEL_DEFAULTS: '(set)',
    PENSTOCK_TLS_KEY_FILE: '/run/tls.key',
  });
});
