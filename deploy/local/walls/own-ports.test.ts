import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { checkEgressUrl, readAllowList, resolveEgress } from '@penstock/transport/egress';
import { withoutOwn } from './own-ports.ts';

const WIDE = 'localhost,receiver.home,0.0.0.0/0,::/0';

test('whatever is allowed, our ports are not, by whichever name of this machine', async () => {
  const allow = readAllowList(withoutOwn(WIDE, [4222], '127.0.0.1'));
  const hosts = ['localhost', '127.0.0.1', '127.9.9.9', '0.0.0.0', '[::1]', '[::]', '[::ffff:127.0.0.1]'];
  for (const host of hosts) {
    assert.throws(() => checkEgressUrl(`http://${host}:4222/`, allow), /not on the public|Only https/, host);
    assert.ok(checkEgressUrl(`http://${host}:4223/`, allow), host);
  }
  // A name that is allowed leads to whatever its owner says.
  const resolve = async () => [{ address: '127.0.0.1', family: 4 } as const];
  const named = (port: number) => resolveEgress(new URL(`http://receiver.home:${port}/`), allow, resolve);
  await assert.rejects(named(4222), /not on the public internet/);
  assert.equal((await named(4223)).length, 1);
});

test('nothing is allowed where nothing was', () => {
  assert.equal(withoutOwn('', [1, 2], '127.0.0.1'), '');
});

test('where the API listens for others, its ports are no target at any address of this machine', t => {
  const own = Object.values(networkInterfaces())
    .flatMap(all => all ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  if (own === undefined) return t.skip('this machine has no network');
  const to = (host: string) => () =>
    checkEgressUrl(`http://${own.address}:8080/`, readAllowList(withoutOwn(WIDE, [8080], host)));
  assert.doesNotThrow(to('127.0.0.1'));
  assert.throws(to('0.0.0.0'), /not on the public|Only https/);
});
