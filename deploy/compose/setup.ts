/**
 * Runs once before all services of a compose project. Makes keys, users of NATS and Redis with passwords, and what follows from them; gives each
 * service a directory with what it alone reads; and lets all write to their volumes, for none of them runs as root. What is there already stays, so that
 * keys survive `docker compose down` (but not `down --volumes`).
 */
import { execFileSync } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyList } from '@penstock/transport';
import { NATS_FILE, REDIS_FILE, writeRoles } from '../admin/role-files.ts';
import { membersOf } from '../admin/roles.ts';

export interface Project {
  /** What is made: nobody else sees it. */
  readonly own: string;
  /** Where the directories of the services are, by their names. */
  readonly services: string;
  readonly region: string;
  readonly shards: number;
  /** Three NATS servers, and a Redis that fails over. */
  readonly isCluster: boolean;
  /** Keys for encryption are made. Those that are there are given to whoever needs them in any case. */
  readonly isEncrypted: boolean;
}

/** What a service reads, by the name of its directory and of the file. */
type Files = Readonly<Record<string, Readonly<Record<string, string>>>>;

const SENTINELS = 'sentinel-1:26379,sentinel-2:26379,sentinel-3:26379';
/** Of a replica, of sentinels (redis.io, "ACL rules for Sentinel and replicas"), and of the health check. */
const SERVER_USERS = {
  replica: '+psync +replconf +ping',
  sentinel:
    'allchannels +multi +slaveof +replicaof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill',
  health: '+ping',
} as const;
/** Of a release that gave all services the same. */
const EARLIER = ['nats-url', 'redis-url', 'nats-auth.conf', 'redis-auth.conf', 'redis-password'];

/** Writes the directories of all services. */
export function setUp(project: Project): void {
  process.umask(0o077);
  for (const name of EARLIER) rmSync(join(project.own, name), { force: true });
  for (const [service, files] of Object.entries(filesOf(project))) {
    const dir = join(project.services, service);
    mkdirSync(dir, { recursive: true });
    for (const name of readdirSync(dir)) if (!(name in files)) rmSync(join(dir, name), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      const file = join(dir, name);
      writeFileSync(file, text, { mode: 0o400 });
      chmodSync(file, 0o400);
    }
  }
}

function filesOf({ own, region, shards, isCluster, isEncrypted }: Project): Files {
  const keep = (name: string, prefix = '') => kept(join(own, name), prefix);
  const [api, admin, pepper] = [keep('api-key', 'sk-penstock-'), keep('admin-key'), keep('key-pepper')];
  const users = writeRoles(join(own, 'users'), membersOf(region, shards, []));
  const urls = (user: string) => {
    const passwords = users.get(user);
    const login = (password = '') => `${user}:${password}@`;
    const [nats, redis] = [login(passwords?.nats), login(passwords?.redis)];
    return {
      'nats-url': isCluster
        ? ['nats', 'nats-2', 'nats-3'].map(host => `nats://${nats}${host}:4222`).join(',')
        : `nats://${nats}nats:4222`,
      'redis-url': isCluster
        ? `redis+sentinel://${redis}${SENTINELS}/penstock`
        : `redis://${redis}redis:6379`,
    };
  };
  const keys = { 'admin-key': admin };
  const sealing = (name: string, key: string) =>
    keptWhere(join(own, name), isEncrypted, () => KeyList.draw(key));
  const work = { 'work-keys': sealing('work-keys', 'w1') };
  const all = { ...work, 'encryption-keys': sealing('encryption-keys', 'k1') };
  const cipher = keptWhere(join(own, 'nats-cipher-key'), isEncrypted, draw);
  return {
    ingress: { ...urls('ingress'), ...keys, ...all, 'api-key': api, 'key-pepper': pepper },
    worker: { ...urls('worker'), ...work },
    tasks: { ...urls('tasks'), ...all },
    scaler: urls('scaler'),
    console: { ...urls('console'), ...keys },
    load: { 'api-key': api },
    grafana: keys,
    ...serverFiles(own, keep, cipher === '' ? '' : `cipher: aes\nkey: "${cipher}"\n`),
  };
}

/** @param cipher with which NATS encrypts what it stores. */
function serverFiles(own: string, keep: (name: string) => string, cipher: string): Files {
  const users = join(own, 'users');
  const passwords = Object.keys(SERVER_USERS).map(user => [user, keep(`redis-${user}-password`)] as const);
  const of = new Map<string, string>(passwords);
  const acl = Object.entries(SERVER_USERS).map(
    ([user, may]) =>
      `user ${user} on #${hash('sha256', of.get(user) ?? '')} resetkeys resetchannels -@all ${may}\n`,
  );
  return {
    nats: {
      'nats-auth.conf': readFileSync(join(users, NATS_FILE), 'utf8'),
      'nats-cipher.conf': cipher,
      'nats-routes.conf': routes(keep('nats-password')),
    },
    redis: {
      'redis.acl': readFileSync(join(users, REDIS_FILE), 'utf8') + acl.join(''),
      'redis-auth.conf': `aclfile /run/penstock/redis.acl\nmasteruser replica\nmasterauth ${of.get('replica')}\n`,
      'redis-health-password': of.get('health') ?? '',
    },
    sentinel: { 'sentinel.conf': sentinel(of.get('sentinel') ?? '') },
  };
}

/** Between the servers of a cluster. */
function routes(password: string): string {
  const urls = ['nats', 'nats-2', 'nats-3'].map(host => `nats-route://penstock:${password}@${host}:6222`);
  return `cluster {
  name: penstock
  port: 6222
  authorization { user: penstock, password: "${password}" }
  routes: [${urls.join(', ')}]
}
`;
}

function sentinel(password: string): string {
  return `port 26379
dir /tmp
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor penstock redis 6379 2
sentinel auth-user penstock sentinel
sentinel auth-pass penstock ${password}
sentinel down-after-milliseconds penstock 1000
sentinel failover-timeout penstock 10000
`;
}

function draw(): string {
  return randomBytes(24).toString('hex');
}

function kept(file: string, prefix: string): string {
  return keptWhere(file, true, () => `${prefix}${draw()}`);
}

/** Empty where there is none, and none is wanted. */
function keptWhere(file: string, isWanted: boolean, make: () => string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (!isWanted) return '';
  const made = make();
  writeFileSync(file, made, { mode: 0o600 });
  return made;
}

if (import.meta.main) {
  const { PENSTOCK_COMPOSE_CLUSTER: cluster, PENSTOCK_COMPOSE_ENCRYPT: encrypt } = process.env;
  const { PENSTOCK_REGION: region, PENSTOCK_SHARDS: shards } = process.env;
  const services = '/services';
  setUp({
    ...{ own: '/run/penstock', services, isCluster: Boolean(cluster), isEncrypted: Boolean(encrypt) },
    ...{ region: region || 'local', shards: Number(shards || 1) },
  });
  const volumes = [services, '/volumes'].flatMap(dir => readdirSync(dir).map(name => join(dir, name)));
  execFileSync('chown', ['-R', '1000:1000', ...volumes]);
}
