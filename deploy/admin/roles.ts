/** `npm run admin -- roles`: users of NATS and Redis for every kind of process. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isToken, TOKEN_RULE } from '@penstock/protocol';
import { type Member, ROLES } from '@penstock/transport/roles';
import { NATS_FILE, REDIS_FILE, writeRoles } from './role-files.ts';

export const ROLES_USAGE = `  roles --out DIR [--region NAME] [--shards N] [--worker NAME ...]
      users of NATS and Redis, one for each role and each named worker: ${NATS_FILE} (include it in nats-server's configuration),
      ${REDIS_FILE} (aclfile of Redis 7 or Valkey 7.2), and DIR/<user> with the passwords and settings of each. Passwords that are there
      are kept. Without --worker all workers share the user "worker"; with it each needs its name as PENSTOCK_WORKER_ID.
`;

export interface RolesOptions {
  readonly out: string;
  readonly members: readonly Member[];
}

/** @throws TypeError */
export function readRolesOptions(args: readonly string[]): RolesOptions {
  let values: { out?: string; region: string; shards: string; worker: string[] };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        out: { type: 'string' },
        region: { type: 'string', default: 'local' },
        shards: { type: 'string', default: '1' },
        worker: { type: 'string', multiple: true, default: [] },
      },
    }));
  } catch (err) {
    throw new TypeError((err as Error).message);
  }
  const { out, region, worker: workers } = values;
  const shards = Number(values.shards);
  if (out === undefined || out === '') throw new TypeError('name a directory: --out DIR');
  if (!Number.isInteger(shards) || shards < 1 || shards > 64)
    throw new TypeError('--shards is a number from 1 to 64, as PENSTOCK_SHARDS');
  for (const name of [region, ...workers])
    if (!isToken(name)) throw new TypeError(`a region and a worker have names of ${TOKEN_RULE}`);
  const taken = workers.find(name => ROLES.some(role => role === name && role !== 'worker'));
  if (taken !== undefined)
    throw new TypeError(`a worker cannot be called ${taken}: that is the user of a role`);
  return { out: resolve(out), members: membersOf(region, shards, workers) };
}

/** A user for each role, and one for each worker in place of that of all. */
export function membersOf(region: string, shards: number, workers: readonly string[]): Member[] {
  const about = { region, shards, worker: null };
  const others = ROLES.filter(role => role !== 'worker' || workers.length === 0);
  return [
    ...others.map(role => ({ ...about, role, user: role })),
    ...workers.map(name => ({ ...about, role: 'worker' as const, user: name, worker: name })),
  ];
}

export async function roles(args: string[], say: (line: string) => void): Promise<number> {
  const { out, members } = readRolesOptions(args);
  writeRoles(out, members);
  say(
    `users of ${members.map(({ user }) => user).join(', ')} are in ${out}; reload both servers (nats-server --signal reload, redis-cli ACL LOAD)`,
  );
  return 0;
}
