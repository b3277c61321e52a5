import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearTextOf, clearTextSetting, warnOfClearText } from './clear-text.ts';

const read = (text: string) => clearTextSetting.PENSTOCK_CLEAR_TEXT.parse(text);
const wiresOf = (settings: Record<string, unknown>) => clearTextOf(settings).map(({ wire }) => wire);

test('what stays on this machine, or is encrypted, is not warned of', () => {
  for (const settings of [
    {},
    { PENSTOCK_HOST: '127.0.0.1', PENSTOCK_METRICS_HOST: '::1', PENSTOCK_METRICS_PORT: 1 },
    { PENSTOCK_HOST: '0.0.0.0', PENSTOCK_TLS_CERT: 'pem' },
    { PENSTOCK_METRICS_HOST: '0.0.0.0' },
    {
      PENSTOCK_NATS_URL: 'nats://localhost:4222, nats://user:p@ss@127.0.0.2',
      PENSTOCK_REDIS_URL: 'redis://[::1]:6379',
    },
    { PENSTOCK_NATS_URL: 'tls://nats.example:4222', PENSTOCK_REDIS_URL: 'rediss://redis.example/0' },
    { PENSTOCK_NATS_URL: 'nats://nats.example:4222', PENSTOCK_NATS_CA: 'pem' },
    { PENSTOCK_ENGINE_URL: 'https://engine.example', PENSTOCK_FILES_S3_ENDPOINT: 'https://s3.example' },
  ])
    assert.deepEqual(wiresOf(settings), []);
});

test('what leaves it in the clear is warned of, once each, unless the operator named it', () => {
  const settings = {
    PENSTOCK_HOST: '0.0.0.0',
    PENSTOCK_CONSOLE_HOST: '::',
    PENSTOCK_METRICS_HOST: '10.0.0.7',
    PENSTOCK_METRICS_PORT: 0,
    PENSTOCK_NATS_URL: 'nats://127.0.0.1:4222,nats://nats-2.example:4222',
    PENSTOCK_REDIS_URL: 'redis+sentinel://127.0.0.1@a.example:26379,b.example/main',
    PENSTOCK_ENGINE_URL: 'http://10.1.2.3:8000',
    PENSTOCK_FILES_S3_ENDPOINT: 'http://minio:9000',
  };
  assert.deepEqual(wiresOf(settings), ['api', 'console', 'metrics', 'nats', 'redis', 'engine', 'files']);
  const named = { ...settings, PENSTOCK_CLEAR_TEXT: read('api, redis') };
  assert.deepEqual(wiresOf(named), ['console', 'metrics', 'nats', 'engine', 'files']);
  assert.deepEqual(wiresOf({ ...settings, PENSTOCK_CLEAR_TEXT: read('all') }), []);
  assert.throws(() => read('apis'), /use some of api, console/);
  const lines: string[] = [];
  warnOfClearText(
    { PENSTOCK_NATS_URL: 'nats://u:s3cret@nats.example' },
    { warn: (_, text) => void lines.push(text) },
  );
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^PENSTOCK_NATS_URL: .*tls:\/\/.*name nats in PENSTOCK_CLEAR_TEXT/);
  assert.doesNotMatch(lines[0] ?? '', /s3cret/);
});
