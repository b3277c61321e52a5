import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsUsers, redisUsers } from '@penstock/transport/roles';
import { membersOf, readRolesOptions } from './roles.ts';

test('what cannot be a user is refused with what can', () => {
  for (const [args, why] of [
    [[], /--out DIR/],
    [['--out', '/x', '--shards', '0'], /1 to 64/],
    [['--out', '/x', '--worker', 'a.b'], /a-z, 0-9, _ and -/],
    [['--out', '/x', '--worker', 'ingress'], /the user of a role/],
    [['--out', '/x', '--force'], /--force/],
  ] as const)
    assert.throws(() => readRolesOptions(args), why, args.join(' '));
});

test('a named worker speaks and is answered as itself alone, unnamed ones as any', () => {
  const passwords = { nats: 'n', redis: 'r' };
  const textOf = (workers: string[]) => {
    const member = membersOf('eu', 2, workers).find(({ role }) => role === 'worker');
    assert.ok(member);
    return natsUsers(new Map([[member, passwords]]));
  };
  const named = textOf(['w-1']);
  for (const subject of ['"hb.eu.w-1"', '"ctl.worker.w-1"', '"_INBOX.w-1.>"', 'MSG.NEXT.WORK_eu_1.*"'])
    assert.ok(named.includes(subject), subject);
  const shared = textOf([]);
  for (const subject of ['"hb.eu.*"', '"ctl.worker.*"', '"_INBOX.worker.>"'])
    assert.ok(shared.includes(subject) && !named.includes(subject), subject);
  // What destroys or reads is nobody's but of those who make streams.
  for (const text of [named, shared]) assert.doesNotMatch(text, /PURGE|MSG\.GET|CREATE|DELETE|"work\./);
});

test('a scaler looks at queues and orders workers, and neither takes nor puts nor deletes anything', () => {
  const member = membersOf('eu', 2, []).find(({ role }) => role === 'scaler');
  assert.ok(member);
  const of = new Map([[member, { nats: 'n', redis: 'r' }]]);
  const text = natsUsers(of);
  for (const subject of ['"hb.eu.*"', '"ctl.worker.*"', 'CONSUMER.LIST.WORK_eu_1', 'STREAM.INFO.WORK_eu_1'])
    assert.ok(text.includes(subject), subject);
  assert.doesNotMatch(text, /PURGE|CREATE|DELETE|MSG\.NEXT|ACK|"work\.|"dead\.|allow_responses/);
  assert.doesNotMatch(redisUsers(of), /bull:|penstock:run|\+@all|\*|&/);
});

test('the file of Redis holds digests, and nobody comes in without a user', () => {
  const members = membersOf('eu', 1, []);
  const text = redisUsers(new Map(members.map(member => [member, { nats: 'n', redis: 's3cret' }])));
  assert.match(text, /^user default off\n/);
  assert.doesNotMatch(text, /s3cret|nopass|allkeys|~\* /);
  assert.equal(text.trim().split('\n').length, members.length + 1);
});

test('an older Redis, which knows no rules of single keys, has the same users, none of whom gets out of our keys', () => {
  const members = membersOf('eu', 1, ['w-1']);
  const of = new Map(members.map(member => [member, { nats: 'n', redis: 's3cret' }]));
  const users = redisUsers(of, { hasSelectors: false }).trim().split('\n');
  assert.deepEqual(
    users.map(line => line.split(' ')[1]),
    ['default', ...members.map(({ user }) => user)],
  );
  for (const line of users.slice(1)) {
    assert.doesNotMatch(line, /[()%]|allkeys|~\* |s3cret/);
    assert.match(line, / ~penstock:\* .*\+@all -@admin -@dangerous/);
  }
});
