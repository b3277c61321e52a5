import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Address,
  checkEgressUrl,
  EgressRefused,
  isPublicAddress,
  readAllowList,
  resolveEgress,
  whyNotFetched,
} from './egress-guard.ts';

const NASTY = [
  ['unspecified', '0.0.0.0', '0.1.2.3', '::'],
  ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
  ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd00:ec2::254'],
  ['link-local and metadata', '169.254.169.254', 'fe80::1', 'fec0::1', '168.63.129.16'],
  ['carrier-grade NAT', '100.64.0.1', '100.100.100.200', '100.127.255.255'],
  ['multicast and broadcast', '224.0.0.1', '239.255.255.255', 'ff02::1', '255.255.255.255'],
  ['reserved', '192.0.0.192', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '240.0.0.1'],
  ['documentation', '2001:db8::1', '3fff::1'],
  ['IPv4 in IPv6', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1', '::127.0.0.1', '::7f00:1'],
  ['translated', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::a00:1', '::ffff:0:7f00:1'],
  ['tunnels', '2002:7f00:1::', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:10::1', '100::1', '5f00::1'],
  ['no addresses', 'localhost', '', '127.1.2.3.4', 'fe80::1%eth0'],
] as const;

test('addresses that are not public', async t => {
  for (const [what, ...addresses] of NASTY)
    await t.test(what, () => {
      for (const address of addresses) assert.ok(!isPublicAddress(address), address);
    });
});

test('public addresses', () => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700:4700::1111',
    '2a00:1450::1',
  ])
    assert.ok(isPublicAddress(address), address);
});

const CLEAR = /^(The URL|The host|The port|Only https)/;
const BAD_URLS = [
  ...['', 'x', 'https://', '/path', 'ftp://a.example', 'file:///etc/passwd', 'javascript:alert(1)'],
  ...['gopher://a.example', 'http://a.example/', 'https://user:pass@a.example', 'https://user@a.example'],
  ...['https://127.0.0.1', 'https://127.1', 'https://0x7f.1', 'https://2130706433', 'https://017700000001'],
  ...[
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[64:ff9b::a00:1]',
    'https://0',
    'https://127.0.0.1.',
  ],
  ...[
    'https://169.254.169.254/latest/meta-data',
    'https://１２７.０.０.１',
    'https://a.example:22',
    'https://a b.example',
  ],
];

test('URLs that are refused, each with a reason and never quoted', () => {
  for (const url of BAD_URLS)
    assert.throws(
      () => checkEgressUrl(url, []),
      (err: Error) =>
        err instanceof EgressRefused && CLEAR.test(err.message) && !err.message.includes('a.example'),
      url,
    );
});

test('URLs that are accepted', () => {
  for (const url of [
    'https://hooks.example/x?y=1#z',
    'https://8.8.8.8:8443/',
    'https://bücher.example/',
    'HTTPS://A.EXAMPLE',
  ])
    assert.ok(checkEgressUrl(url, []));
});

const resolveTo = (...addresses: string[]) => {
  const found = addresses.map((address): Address => ({ address, family: address.includes(':') ? 6 : 4 }));
  return async () => found;
};

test('a name is judged by all its addresses', async () => {
  const url = checkEgressUrl('https://hooks.example', []);
  assert.equal((await resolveEgress(url, [], resolveTo('8.8.8.8', '2606:4700::1'))).length, 2);
  for (const address of ['127.0.0.1', '::1', '169.254.169.254', '::ffff:10.1.2.3'])
    await assert.rejects(resolveEgress(url, [], resolveTo('8.8.8.8', address)), EgressRefused);
  await assert.rejects(resolveEgress(url, [], resolveTo()), /no address/);
});

test('addresses in the URL itself are judged without asking the resolver', async () => {
  const resolve = async () => assert.fail('asked');
  const url = new URL('https://[::1]/');
  await assert.rejects(resolveEgress(url, [], resolve), EgressRefused);
  assert.deepEqual(await resolveEgress(new URL('https://8.8.8.8'), [], resolve), [
    { address: '8.8.8.8', family: 4 },
  ]);
});

test('the allow-list lets through what it names, and nothing beside it', async () => {
  const allow = readAllowList('localhost:9000, 10.1.0.0/16, [::1]:7000,fd00::/8 ,hooks.internal, 127.0.0.1');
  for (const url of [
    'http://localhost:9000',
    'http://10.1.2.3/x',
    'http://[::1]:7000',
    'http://hooks.internal:22',
    'http://127.0.0.1:81',
  ])
    assert.ok(checkEgressUrl(url, allow), url);
  for (const url of [
    'http://localhost:9001',
    'https://10.2.0.1',
    'https://[::1]:7001',
    'http://x.hooks.internal',
  ])
    assert.throws(() => checkEgressUrl(url, allow), EgressRefused, url);
  const named = new URL('http://hooks.internal');
  assert.ok(await resolveEgress(named, allow, resolveTo('192.168.0.1')));
  const other = new URL('https://other.example');
  assert.ok(await resolveEgress(other, allow, resolveTo('10.1.9.9')));
  await assert.rejects(resolveEgress(other, allow, resolveTo('10.1.9.9', '10.2.9.9')), EgressRefused);
});

test('a bad allow-list is named', () => {
  for (const text of ['a b', 'x:99999', 'http://x', '10.0.0.0/99', 'x:y'])
    assert.throws(() => readAllowList(text), /is no host, address or CIDR range/, text);
  assert.deepEqual(readAllowList(''), []);
});

test('what is taken out of a list is refused by name and by address, whatever else allows it', async () => {
  const list = readAllowList(
    'localhost,127.0.0.0/8,[::1],!localhost:4222,!127.0.0.1:4222,![::1]:4222,!127.0.0.9',
  );
  for (const url of ['http://localhost:4223/', 'http://127.0.0.1:6379/', 'http://[::1]:1/'])
    assert.ok(checkEgressUrl(url, list), url);
  for (const url of [
    'http://localhost:4222/',
    'http://127.0.0.1:4222/',
    'http://[::1]:4222/',
    'http://127.0.0.9/',
  ])
    assert.throws(() => checkEgressUrl(url, list), EgressRefused, url);
  const resolve = async () => [{ address: '127.0.0.1', family: 4 } as const];
  await assert.rejects(resolveEgress(new URL('https://names.example:4222/'), list, resolve), EgressRefused);
  // A name that is allowed by itself is no way around it.
  const named = readAllowList('hooks.internal,!127.0.0.1:4222');
  await assert.rejects(resolveEgress(new URL('http://hooks.internal:4222/'), named, resolve), EgressRefused);
  assert.equal((await resolveEgress(new URL('http://hooks.internal:4223/'), named, resolve)).length, 1);
  assert.throws(() => readAllowList('!'), /is no host/);
});

test('media are fetched from public hosts alone, with or without TLS', () => {
  for (const url of [
    'https://a.example/x.png',
    'http://a.example/x.png',
    'http://93.184.216.34:8080/',
    'http://a.example:80/',
  ])
    assert.equal(whyNotFetched(url, []), null, url);
  for (const url of [
    ...[
      'http://127.0.0.1/',
      'http://2130706433/',
      'http://0x7f.1/',
      'http://[::1]/',
      'http://[::ffff:10.0.0.1]/',
      'http://169.254.169.254/',
    ],
    ...[
      'http://10.1.2.3:8000/v1',
      'https://192.168.0.1',
      'http://localhost:6379/',
      'http://a.localhost',
      'http://redis/',
      'http://nats.local',
    ],
    ...[
      'http://metadata.google.internal/',
      'file:///etc/passwd',
      'http://a:b@a.example/',
      'https://a.example:22/',
      'no URL',
      '',
      '//a.example',
    ],
    ...['gopher://a.example', 'http://localhost./', 'http://127.1'],
  ])
    assert.match(whyNotFetched(url, []) ?? '', /\.$/, url);
  const allow = readAllowList('10.0.0.0/8,media:9000');
  for (const url of ['http://10.1.2.3/', 'http://media:9000/a'])
    assert.equal(whyNotFetched(url, allow), null, url);
});
