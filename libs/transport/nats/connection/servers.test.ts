import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nkeys } from '@nats-io/transport-node';
import { Authority } from '../../../../testkit/network/certificates.ts';
import { type NatsReach, readServers as read } from './servers.ts';

const readServers = (url: string, more: Partial<NatsReach> = {}) => {
  const { inboxPrefix: _, ...client } = read({ url, ...more });
  return client;
};

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

test('a login and certificates may stand in settings of their own, one way of logging in at most', () => {
  const authority = new Authority();
  const own = authority.issue('ingress');
  const login = { user: 'ingress', password: 's3cret' };
  assert.deepEqual(readServers('nats://a', { login }), { servers: ['a'], user: 'ingress', pass: 's3cret' });
  assert.deepEqual(readServers('nats://a', { login: { token: 's3cret' } }), {
    servers: ['a'],
    token: 's3cret',
  });
  const tls = { ca: authority.ca, ...own };
  assert.deepEqual(readServers('nats://a', { tls }), { servers: ['a'], tls });
  const nkey = Buffer.from(nkeys.createUser().getSeed()).toString();
  const { authenticator } = readServers('nats://a', { login: { nkey: `${nkey}\n` } });
  assert.equal(typeof authenticator, 'function');
  const refused: [NatsReach, RegExp][] = [
    [
      { url: 'nats://u:s3cret@a', login: { token: 's3cret' } },
      /the login in the URL and PENSTOCK_NATS_TOKEN both/,
    ],
    [{ url: 'a', login: { ...login, token: 's3cret' } }, /PENSTOCK_NATS_USER and PENSTOCK_NATS_TOKEN both/],
    [{ url: 'a', login: { user: 'u' } }, /PENSTOCK_NATS_USER and PENSTOCK_NATS_PASSWORD belong together/],
    [{ url: 'a', login: { nkey: 's3cret' } }, /PENSTOCK_NATS_NKEY is no seed/],
    [{ url: 'a', login: { creds: 's3cret' } }, /PENSTOCK_NATS_CREDS_FILE/],
    [{ url: 'a', tls: { ca: 's3cret' } }, /PENSTOCK_NATS_CA holds no certificate/],
    [{ url: 'a', tls: { cert: own.cert } }, /PENSTOCK_NATS_CERT and PENSTOCK_NATS_KEY belong together/],
  ];
  for (const [reach, why] of refused)
    assert.throws(
      () => read(reach),
      (err: Error) => err.name === 'ConnectError' && why.test(err.message) && !err.message.includes('s3cret'),
      why.source,
    );
});

test('a user has an inbox of its own, and the inbox of all where its name is no word of a subject', () => {
  for (const [url, inbox] of [
    ['nats://worker-1:p@a', '_INBOX.worker-1'],
    ['nats://a', '_INBOX'],
    ['nats://token@a', '_INBOX'],
    ['nats://wor.ker:p@a', '_INBOX'],
    ['nats://%3E:p@a', '_INBOX'],
  ] as const)
    assert.equal(read({ url }).inboxPrefix, inbox, url);
});
