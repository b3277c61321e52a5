/** Real servers that know the users of all roles, and where a test that logs in as nobody may do everything. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@penstock/transport/roles';
import { NATS_FILE, REDIS_FILE, writeRoles } from '../../deploy/admin/role-files.ts';
import { membersOf } from '../../deploy/admin/roles.ts';
import { startNats } from '../nats.ts';
import { startRedis } from '../redis.ts';

/** Each process asks at its start; not all roles may, and it is said in words then. */
const ASKED_IN_VAIN = /config\|get/;
/** A worker that finds no ingress tries to make its consumers itself, as at servers without roles. */
const ALONE = /user:worker" - Publish Violation - Subject "\$JS\.API\.CONSUMER\.CREATE\./;
const ANSWER_MS = 1000;

export type RoleServers = Awaited<ReturnType<typeof startRoleServers>>;

/** @param shards that users of the region may use. */
export async function startRoleServers(region: string, shards: number) {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-users-'));
  const users = writeRoles(dir, membersOf(region, shards, []));
  const known = await readFile(join(dir, NATS_FILE), 'utf8');
  const natsFile = known.replace('users: [', 'users: [\n    { user: open, password: open }');
  const nats = await startNats('8MB', `include "${NATS_FILE}"\nno_auth_user: open`, undefined, {
    [NATS_FILE]: natsFile,
  });
  const acl = join(dir, REDIS_FILE);
  const digests = await readFile(acl, 'utf8');
  await writeFile(acl, digests.replace('user default off', 'user default on nopass ~* &* +@all'));
  const redis = await startRedis('--aclfile', acl);
  return {
    nats,
    redis,
    urlsOf(role: Role) {
      const own = users.get(role);
      if (own === undefined) throw new Error(`there is no user ${role}`);
      return {
        nats: nats.url.replace('nats://', `nats://${role}:${own.nats}@`),
        redis: redis.url.replace('redis://', `redis://${role}:${own.redis}@`),
      };
    },
    /** What the servers did not let a role do. */
    async denied(): Promise<string[]> {
      const byNats = nats
        .output()
        .filter(line => /user:\w+" - \w+ Violation/.test(line) && !ALONE.test(line));
      const byRedis = await aclLog(redis.port);
      return [...byNats, ...byRedis.filter(entry => !ASKED_IN_VAIN.test(entry))];
    },
    async stop() {
      await Promise.all([nats.stop(), redis.stop()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Empty where the server is away: the test ended it. */
function aclLog(port: number): Promise<string[]> {
  return new Promise(resolve => {
    let text = '';
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.end('ACL LOG 100\r\nQUIT\r\n'));
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.setEncoding('utf8').on('data', part => {
      text += part;
    });
    socket.on('error', () => resolve([]));
    socket.on('close', () => resolve(text.split(/\$5\r\ncount\r\n/).slice(1)));
  });
}
