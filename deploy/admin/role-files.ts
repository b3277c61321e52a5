/** A directory of users: what nats-server and Redis include, and for each process its passwords, which are kept when more are added. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AclAbilities,
  type Member,
  natsUsers,
  type Passwords,
  redisUsers,
} from '@penstock/transport/roles';

export const NATS_FILE = 'nats-users.conf';
export const REDIS_FILE = 'redis-users.acl';

/**
 * Writes the users of all members and takes away those of others. Directories are of mode 0700, files 0600.
 * @returns the passwords, by user.
 */
export function writeRoles(
  dir: string,
  members: readonly Member[],
  redis: AclAbilities = { hasSelectors: true },
): ReadonlyMap<string, Passwords> {
  makePrivate(dir);
  const passwords = new Map(members.map(member => [member, passwordsOf(dir, member)] as const));
  write(join(dir, NATS_FILE), natsUsers(passwords));
  write(join(dir, REDIS_FILE), redisUsers(passwords, redis));
  return new Map([...passwords].map(([{ user }, own]) => [user, own]));
}

/** The settings of one process, as a file of variables. */
export function settingsOf(dir: string, user: string): string {
  return [
    `PENSTOCK_NATS_USER=${user}`,
    `PENSTOCK_NATS_PASSWORD_FILE=${join(dir, user, 'nats-password')}`,
    `PENSTOCK_REDIS_USER=${user}`,
    `PENSTOCK_REDIS_PASSWORD_FILE=${join(dir, user, 'redis-password')}`,
    '',
  ].join('\n');
}

function passwordsOf(dir: string, { user }: Member): Passwords {
  const own = join(dir, user);
  makePrivate(own);
  write(join(own, 'env'), settingsOf(dir, user));
  return { nats: passwordOf(join(own, 'nats-password')), redis: passwordOf(join(own, 'redis-password')) };
}

function passwordOf(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  // Letters and digits: it may stand in a URL.
  const password = randomBytes(24).toString('hex');
  write(file, `${password}\n`);
  return password;
}

/** At once: a server may read it meanwhile. */
function write(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function makePrivate(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
}
