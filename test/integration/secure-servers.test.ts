/** How NATS and Redis are reached that ask who comes, and that speak TLS; and what is said where that fails, never with a secret. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { nkeys } from '@nats-io/transport-node';
import { NatsWorkQueue, RedisModelRegistry, RedisRunStore } from '@penstock/transport';
import { BullBatches } from '@penstock/transport/bullmq';
import { startNats } from '../../testkit/nats.ts';
import { Authority, type Certificate } from '../../testkit/network/certificates.ts';
import { freePort } from '../../testkit/ports.ts';
import { startRedis } from '../../testkit/redis.ts';
import { waitFor } from '../../testkit/stack.ts';

const authority = new Authority();
const stranger = new Authority('a stranger');
const client = authority.issue('client');
const ca = authority.ca;
const nkey = nkeys.createUser();
const seed = Buffer.from(nkey.getSeed()).toString();
const USERS = `authorization { users: [
  { user: worker, password: "p@ss w%rd" }, { nkey: ${nkey.getPublicKey()} }
] }`;

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'penstock-tls-'));
});
after(() => rm(dir, { recursive: true, force: true }));

let files = 0;
async function file(text: string): Promise<string> {
  const path = join(dir, `${files++}.pem`);
  await writeFile(path, text);
  return path;
}

async function natsTls({ cert, key }: Certificate, more = ''): Promise<string> {
  const paths = { cert_file: await file(cert), key_file: await file(key), ca_file: await file(ca) };
  const lines = Object.entries(paths).map(([name, path]) => `${name}: ${JSON.stringify(path)}`);
  return `tls { ${lines.join(', ')} ${more} }\n${USERS}`;
}

type Given = Omit<Parameters<typeof NatsWorkQueue.connect>[0], 'name'>;

async function said(connect: () => Promise<{ close(): Promise<void> }>): Promise<string> {
  try {
    await (await connect()).close();
    return 'fine';
  } catch (err) {
    assert.equal((err as Error).name, 'ConnectError', `${err}`);
    assert.doesNotMatch((err as Error).message, /s3cret|BEGIN|\bSU[A-Z2-7]{20}/);
    return (err as Error).message;
  }
}

const nats = (given: Given) => said(() => NatsWorkQueue.connect({ name: 'secure', ...given }));
const redis = (given: Given) => said(() => RedisModelRegistry.connect({ name: 'secure', ...given }));

test('NATS with users, nkeys, TLS and certificates of its clients', { concurrency: true }, async t => {
  const [open, tls, expired, mutual] = await Promise.all([
    startNats('8MB', USERS),
    startNats('8MB', await natsTls(authority.issue('nats'))),
    startNats('8MB', await natsTls(authority.issue('nats', -1))),
    startNats('8MB', await natsTls(authority.issue('nats'), ', verify: true')),
  ]);
  t.after(() => Promise.all([open, tls, expired, mutual].map(server => server.stop())));
  const login = { user: 'worker', password: 'p@ss w%rd' };
  const inUrl = (url: string, user: string) => url.replace('nats://', `nats://${user}@`);
  const cases: [about: string, given: Given, expected: RegExp][] = [
    ['a login of its own', { url: open.url, login }, /^fine$/],
    ['a login in the URL', { url: inUrl(open.url, 'worker:p%40ss%20w%25rd') }, /^fine$/],
    ['an nkey', { url: open.url, login: { nkey: seed } }, /^fine$/],
    ['no login', { url: open.url }, /it wants a login: set PENSTOCK_NATS_USER/],
    [
      'a wrong password',
      { url: open.url, login: { ...login, password: 's3cret' } },
      /refuses the login of user "worker"/,
    ],
    [
      'a wrong password in the URL',
      { url: inUrl(open.url, 'worker:s3cret') },
      /refuses the login of user "worker"/,
    ],
    ['a token that is none', { url: open.url, login: { token: 's3cret' } }, /refuses the login/],
    ['TLS', { url: tls.url, login, tls: { ca } }, /^fine$/],
    ['TLS of a stranger', { url: tls.url, login, tls: { ca: stranger.ca } }, /PENSTOCK_NATS_CA_FILE/],
    ['TLS without its authority', { url: tls.url, login }, /PENSTOCK_NATS_CA_FILE/],
    ['TLS that is not offered', { url: open.url, login, tls: { ca } }, /offers no TLS/],
    [
      'a certificate that has expired',
      { url: expired.url, login, tls: { ca } },
      /its certificate has expired/,
    ],
    ['a certificate of its own', { url: mutual.url, login, tls: { ca, ...client } }, /^fine$/],
    ['no certificate of its own', { url: mutual.url, login, tls: { ca } }, /set PENSTOCK_NATS_CERT_FILE/],
    [
      'one of a stranger',
      { url: mutual.url, login, tls: { ca, ...stranger.issue('client') } },
      /does not accept the certificate of PENSTOCK_NATS_CERT/,
    ],
  ];
  await Promise.all(
    cases.map(async ([about, given, expected]) => assert.match(await nats(given), expected, about)),
  );
});

test('a NATS that refuses for a while is used again once it does not', async t => {
  const server = await startNats('8MB', 'include "users.conf"', undefined, {
    'users.conf': 'authorization { user: worker, password: right }',
  });
  t.after(() => server.stop());
  const queue = await NatsWorkQueue.connect({
    ...{ url: server.url, name: 'secure', login: { user: 'worker', password: 'right' } },
  });
  t.after(() => queue.close());
  await server.write('users.conf', 'authorization { user: worker, password: other }');
  await server.restart();
  await waitFor(() => server.output().filter(line => /authentication error/.test(line)).length > 3);
  await server.write('users.conf', 'authorization { user: worker, password: right }');
  await server.restart();
  await waitFor(() => queue.connected);
});

test('Redis with users and TLS, for BullMQ too', async t => {
  const acl = await file('user default on >of-all ~* &* +@all\nuser worker on >right ~* &* +@all\n');
  const users = ['--aclfile', acl];
  const paths = async ({ cert, key }: Certificate) => [
    ...['--tls-cert-file', await file(cert), '--tls-key-file', await file(key)],
    ...['--tls-ca-cert-file', await file(ca)],
  ];
  const startTls = async (own: Certificate, ...more: string[]) => {
    const port = await freePort();
    const server = await startRedis(...(await paths(own)), '--tls-port', `${port}`, ...more, ...users);
    return { server, url: `rediss://127.0.0.1:${port}` };
  };
  const [open, tls, expired, mutual] = await Promise.all([
    startRedis(...users),
    startTls(authority.issue('redis'), '--tls-auth-clients', 'no'),
    startTls(authority.issue('redis', -1), '--tls-auth-clients', 'no'),
    startTls(authority.issue('redis')),
  ]);
  const servers = [open, tls.server, expired.server, mutual.server];
  t.after(() => Promise.all(servers.map(server => server.stop())));
  const login = { user: 'worker', password: 'right' };
  const cases: [about: string, given: Given, expected: RegExp][] = [
    ['a user', { url: open.url, login }, /^fine$/],
    ['the password of all', { url: open.url, login: { password: 'of-all' } }, /^fine$/],
    ['no login', { url: open.url }, /it wants a login: set PENSTOCK_REDIS_PASSWORD_FILE/],
    [
      'a wrong password',
      { url: open.url, login: { ...login, password: 's3cret' } },
      /refuses the login of user "worker"/,
    ],
    ['TLS', { url: tls.url, login, tls: { ca } }, /^fine$/],
    ['TLS of a stranger', { url: tls.url, login, tls: { ca: stranger.ca } }, /PENSTOCK_REDIS_CA_FILE/],
    [
      'TLS that is not offered',
      { url: open.url.replace('redis:', 'rediss:'), login, tls: { ca } },
      /speaks no TLS .* write redis:/,
    ],
    [
      'TLS that is not asked for',
      { url: tls.url.replace('rediss:', 'redis:'), login },
      /speaks TLS .* write rediss:/,
    ],
    [
      'a certificate that has expired',
      { url: expired.url, login, tls: { ca } },
      /its certificate has expired/,
    ],
    ['a certificate of its own', { url: mutual.url, login, tls: { ca, ...client } }, /^fine$/],
    ['no certificate of its own', { url: mutual.url, login, tls: { ca } }, /set PENSTOCK_REDIS_CERT_FILE/],
    [
      'one of a stranger',
      { url: mutual.url, login, tls: { ca, ...stranger.issue('client') } },
      /does not accept the certificate of PENSTOCK_REDIS_CERT/,
    ],
  ];
  await Promise.all(
    cases.map(async ([about, given, expected]) => assert.match(await redis(given), expected, about)),
  );
  const reach = { url: mutual.url, login, tls: { ca, ...client }, name: 'secure' };
  const jobs = new BullBatches(reach);
  const done: string[] = [];
  jobs.work(
    async id => {
      done.push(id);
      return { kind: 'done' };
    },
    () => {},
  );
  await jobs.add('b-1');
  await waitFor(() => done.includes('b-1'));
  await jobs.close();
  const runs = await RedisRunStore.connect(reach);
  assert.equal(await runs.read('nobody'), null);
  await runs.close();
});
