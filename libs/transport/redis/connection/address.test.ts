import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authority } from '../../../../testkit/network/certificates.ts';
import { ConnectError } from '../../ports/connect-error.ts';
import { type RedisReach, readAddress as read } from './address.ts';

const readAddress = (url: string, more: Partial<RedisReach> = {}) => read({ url, ...more });

test('one server, with and without a login, a database and TLS', () => {
  assert.deepEqual(readAddress('redis://redis'), { host: 'redis', port: 6379, db: 0 });
  assert.deepEqual(readAddress(' redis://[::1]:7000/3 '), { host: '::1', port: 7000, db: 3 });
  assert.deepEqual(readAddress('redis://:a%2Fb%40c@redis:1/'), {
    host: 'redis',
    port: 1,
    db: 0,
    password: 'a/b@c',
  });
  assert.deepEqual(readAddress('rediss://me:pass@primary.cache.example:6380'), {
    ...{ host: 'primary.cache.example', port: 6380, db: 0, username: 'me', password: 'pass', tls: {} },
  });
});

test('sentinels, which may have a login of their own', () => {
  const sentinels = [
    { host: 's-1', port: 26_379 },
    { host: 's-2', port: 5000 },
  ];
  assert.deepEqual(readAddress('redis+sentinel://s-1,s-2:5000/mymaster'), {
    sentinels,
    name: 'mymaster',
    db: 0,
  });
  assert.deepEqual(
    readAddress(
      'rediss+sentinel://u:p@s-1:26379, s-2:5000/my%20own/2?sentinel_user=s&sentinel_password=q%26',
    ),
    {
      ...{ sentinels, name: 'my own', db: 2, username: 'u', password: 'p' },
      ...{ tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true },
      ...{ sentinelUsername: 's', sentinelPassword: 'q&' },
    },
  );
});

test('anything else is refused with what to write instead, and never quoted', () => {
  for (const [setting, why] of [
    ['', /give it as redis:\/\/host/],
    ['secret:6379', /give it as redis:\/\/host/],
    ['http://secret:6379', /give it as/],
    ['redis://', /give it as/],
    ['redis://secret:port', /give it as/],
    ['redis://secret:1,other:1', /redis\+sentinel:/],
    ['redis://secret:1?db=2', /give it as/],
    ['redis://:a/secret@host', /give it as|number of a database/],
    ['redis://secret@host', /user:password/],
    ['redis://:%secret@host', /percent-encoded/],
    ['redis://secret/one', /number of a database/],
    ['redis+sentinel://secret:26379', /name the primary/],
    ['redis+sentinel://secret:26379/', /name the primary/],
    ['redis+sentinel://secret/m/one', /number of a database/],
    ['redis+sentinel://secret/m?password=secret', /sentinel_password/],
  ] as const)
    assert.throws(
      () => readAddress(setting),
      (err: unknown) =>
        err instanceof ConnectError && why.test(err.message) && !err.message.includes('secret'),
      setting,
    );
});

test('a login may stand in settings of its own, of Redis and of the sentinels', () => {
  const login = { user: 'worker', password: 's3cret', sentinelPassword: 'q', sentinelUser: 's' };
  assert.deepEqual(readAddress('redis://redis', { login }), {
    ...{ host: 'redis', port: 6379, db: 0, username: 'worker', password: 's3cret' },
  });
  assert.deepEqual(readAddress('redis+sentinel://s-1/mymaster', { login }), {
    ...{ sentinels: [{ host: 's-1', port: 26_379 }], name: 'mymaster', db: 0 },
    ...{ username: 'worker', password: 's3cret', sentinelUsername: 's', sentinelPassword: 'q' },
  });
  const refused: [string, Partial<RedisReach>, RegExp][] = [
    [
      'redis://u:s3cret@redis',
      { login: { password: 's3cret' } },
      /the login in the URL and PENSTOCK_REDIS_PASSWORD both/,
    ],
    ['redis://redis', { login: { user: 'u' } }, /PENSTOCK_REDIS_USER has no password/],
    ['rediss://redis', { tls: { ca: 's3cret' } }, /PENSTOCK_REDIS_CA holds no certificate/],
    ['redis://redis', { tls: { ca: new Authority().ca } }, /write rediss:/],
  ];
  for (const [url, more, why] of refused)
    assert.throws(
      () => readAddress(url, more),
      (err: Error) => err.name === 'ConnectError' && why.test(err.message) && !err.message.includes('s3cret'),
      url,
    );
});
