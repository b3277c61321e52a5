/** The table of roles at real servers: the user of each may do what its row says, and nothing that only another row does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, PermissionViolationError } from '@nats-io/transport-node';
import { KEYS_KEY, PROJECTS_KEY, runMessageKey } from '@penstock/protocol';
import { natsPermissions, ROLES, type Role, redisPermissions } from '@penstock/transport/roles';
import { Redis } from 'ioredis';
import { type RoleServers, startRoleServers } from '../../testkit/roles/role-servers.ts';
import { waitFor } from '../../testkit/stack.ts';

const member = (role: Role) => ({ role, user: role, region: 'local', shards: 1, worker: null });
const may = new Map(ROLES.map(role => [role, natsPermissions(member(role))]));
/** Nobody has these rows. */
const OF_NOBODY = [
  ...['DELETE', 'SNAPSHOT', 'RESTORE', 'LEADER.STEPDOWN', 'PEER.REMOVE'].map(
    verb => `$JS.API.STREAM.${verb}.WORK_local_0`,
  ),
  ...['$JS.API.DIRECT.GET.WORK_local_0', '$JS.API.META.LEADER.STEPDOWN', '$SYS.REQ.SERVER.PING'],
  ...['work.other.0.x.batch.any.any.x', 'dead.other.x.x', 'hb.other.x', '_INBOX.x', 'anything'],
];
const TOO_WIDE = ['>', '*', 'work.>', 'work.local.>', 'dead.local.>', '_INBOX.>', '$JS.>', 'hb.>'];
/** What is tried last shows that the answers to all before it are there. */
const LAST = 'the.last.one';

let servers: RoleServers;
let redis: Redis;

before(async () => {
  servers = await startRoleServers('local', 1);
  redis = new Redis(servers.redis.url);
});
after(async () => {
  redis?.disconnect();
  await servers?.stop();
});

/** Whether all that a subject stands for is within a pattern. */
function covers(pattern: string, subject: string): boolean {
  const [wide, narrow] = [pattern.split('.'), subject.split('.')];
  for (const [i, part] of wide.entries()) {
    if (part === '>') return narrow.length > i;
    const word = narrow[i];
    if (word === undefined || word === '>' || (part !== '*' && part !== word)) return false;
  }
  return wide.length === narrow.length;
}

function unlike(asked: readonly string[], allowed: readonly string[]): string[] {
  return asked.filter(subject => !allowed.some(pattern => covers(pattern, subject))).toSorted();
}

for (const role of ROLES)
  test(`at NATS, ${role} may publish and hear what its row says, of all rows and beyond`, async t => {
    const url = new URL(servers.urlsOf(role).nats);
    const login = { user: role, pass: url.password, inboxPrefix: `_INBOX.${role}` };
    const nc = await connect({ servers: url.host, ...login });
    t.after(() => nc.close());
    const denied = { publish: new Set<string>(), subscription: new Set<string>() };
    void (async () => {
      for await (const status of nc.status())
        if (status.type === 'error' && status.error instanceof PermissionViolationError)
          denied[status.error.operation].add(status.error.subject);
    })();
    const rows = [...may.values()];
    const said = rows.flatMap(({ publish }) => publish.map(each => each.replaceAll(/[*>]/g, 'x')));
    const published = [...new Set([...said, ...OF_NOBODY])];
    const heard = [...new Set([...rows.flatMap(({ subscribe }) => subscribe), ...TOO_WIDE])];
    for (const subject of published) nc.publish(subject, '{}');
    for (const subject of heard) nc.subscribe(subject, { callback: () => {} });
    nc.subscribe(LAST, { callback: () => {} });
    await waitFor(() => denied.subscription.has(LAST));
    denied.subscription.delete(LAST);
    const own = may.get(role) ?? assert.fail();
    assert.deepEqual([...denied.publish].toSorted(), unlike(published, own.publish));
    assert.deepEqual([...denied.subscription].toSorted(), unlike(heard, own.subscribe));
    assert.ok(OF_NOBODY.every(subject => denied.publish.has(subject)));
  });

/** What a command needs behind its key. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  ...{
    hget: 'f',
    hmget: 'f',
    hset: 'f v',
    hincrby: 'f 1',
    hdel: 'f',
    pexpire: '1',
    expire: '1',
    xadd: '* f v',
  },
  ...{ xdel: '1-1', rpush: 'v', lpush: 'v', ltrim: '0 1', lrange: '0 1', zadd: '1 m', zrem: 'm', set: 'v' },
  ...{ zremrangebyrank: '0 1' },
};

/** What Redis would say to a user: empty where it would do it. */
async function refusal(role: Role, command: string, ...args: string[]): Promise<string> {
  const said = String(await redis.call('ACL', 'DRYRUN', role, command, ...args));
  assert.doesNotMatch(said, /wrong number|unknown/i, `${command} ${args.join(' ')}`);
  return said === 'OK' ? '' : said;
}

/** The rules of single keys in a row: `pattern command`. */
function rulesOf(role: Role): string[] {
  const selectors = [...redisPermissions(member(role)).matchAll(/\(~(\S+) ([^)]*)\)/g)];
  return selectors.flatMap(([, key = '', commands = '']) =>
    commands.split(' ').map(command => `${key} ${command.slice(1)}`),
  );
}

test('at Redis, a worker and a scaler may do with each key what their rows say, and not what the other’s does', async () => {
  const all = new Set([...rulesOf('worker'), ...rulesOf('scaler')]);
  assert.ok(all.size > 40);
  for (const role of ['worker', 'scaler'] as const) {
    const own = rulesOf(role);
    for (const rule of all) {
      const [pattern = '', command = ''] = rule.split(' ');
      const args = (ARGUMENTS[command] ?? '').split(' ').filter(Boolean);
      const why = await refusal(role, command, pattern.replace('*', 'x'), ...args);
      const isCovered = own.some(each => {
        const [wide = '', same = ''] = each.split(' ');
        return same === command && new RegExp(`^${wide.replaceAll('*', '.*')}$`).test(pattern);
      });
      assert.equal(why === '', isCovered, `${role}: ${rule}: ${why}`);
    }
  }
});

test('at Redis, no role administers the server, and each is kept from what is not its own', async () => {
  const never: [command: string, ...args: string[]][] = [
    ['KEYS', '*'],
    ['SCAN', '0'],
    ['CONFIG', 'SET', 'dir', '/'],
    ['ACL', 'LIST'],
    ['FLUSHALL'],
    ['SHUTDOWN'],
    ['MONITOR'],
    ['DEBUG', 'SLEEP', '0'],
    ['REPLICAOF', 'x', '1'],
    ['SCRIPT', 'FLUSH'],
    ['FUNCTION', 'FLUSH'],
    ['MODULE', 'LOAD', '/x'],
    ['CLIENT', 'LIST'],
    ['GET', 'of-somebody-else'],
    ['SET', 'of-somebody-else', 'x'],
    ['PUBLISH', 'of-somebody-else', 'x'],
  ];
  for (const role of ROLES)
    for (const [command, ...args] of never)
      assert.notEqual(await refusal(role, command, ...args), '', `${role}: ${command} ${args.join(' ')}`);
  const kept: [role: Role, command: string, ...args: string[]][] = [
    ['console', 'HSET', KEYS_KEY, 'x', 'y'],
    ['console', 'HSET', PROJECTS_KEY, 'x', 'y'],
    ['console', 'HSET', 'penstock:webhook:x', 'secret', 'y'],
    ['operator', 'HSET', 'penstock:webhook:x', 'secret', 'y'],
    ['worker', 'GET', runMessageKey('x')],
    ['worker', 'HGETALL', KEYS_KEY],
    ['scaler', 'GET', runMessageKey('x')],
    ['scaler', 'HGETALL', KEYS_KEY],
  ];
  for (const [role, ...words] of kept) {
    const [command = '', ...args] = words;
    assert.notEqual(await refusal(role, command, ...args), '', `${role}: ${words.join(' ')}`);
  }
});
