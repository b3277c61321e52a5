import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readServers } from './servers.ts';

test('servers and their credentials are read from one setting', () => {
  assert.deepEqual(readServers('nats://127.0.0.1:4222'), { servers: ['127.0.0.1:4222'] });
  assert.deepEqual(readServers('a, nats://b:5222 ,tls://[::1]:6222'), {
    servers: ['a', 'b:5222', '[::1]:6222'],
    tls: {},
  });
  assert.deepEqual(readServers('nats://penstock:p%40ss%2Cw%25rd@a:4222,nats://b:4222'), {
    servers: ['a:4222', 'b:4222'],
    user: 'penstock',
    pass: 'p@ss,w%rd',
  });
  assert.deepEqual(readServers('nats://s3cret@a'), { servers: ['a'], token: 's3cret' });
});

test('what cannot be read is refused without being quoted', () => {
  for (const setting of [
    '',
    ' , ',
    'http://s3cret@a',
    'nats://',
    'nats://u:s3cret%@a',
    'nats://u:s3cret@a:port',
  ])
    assert.throws(
      () => readServers(setting),
      (err: Error) => err.name === 'ConnectError' && !err.message.includes('s3cret'),
      setting,
    );
});
