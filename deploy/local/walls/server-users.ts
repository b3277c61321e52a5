/** Who the processes of a local stack are at the NATS and the Redis that it starts: each a user of its own, made at the first start and kept. */
import { join } from 'node:path';
import { natsSettings, readConfig, redisSettings, regionSettings } from '@penstock/runtime';
import type { Passwords } from '@penstock/transport/roles';
import { z } from 'zod';
import { NATS_FILE, REDIS_FILE, writeRoles } from '../../admin/role-files.ts';
import { membersOf } from '../../admin/roles.ts';

/** Where a server is, and whether it is one of the stack: then nobody comes in who is none of its users. */
export interface LocalServer {
  readonly url: string;
  readonly isOurs: boolean;
}

export interface LocalServers {
  readonly nats: LocalServer;
  readonly redis: LocalServer;
}

const DIRECTORY = 'users';
/** In the configuration of nats-server, which looks beside it. */
export const NATS_USERS = `${DIRECTORY}/${NATS_FILE}`;
export const REDIS_USERS = `${DIRECTORY}/${REDIS_FILE}`;

const REGION = z.object({
  PENSTOCK_REGION: regionSettings.PENSTOCK_REGION,
  PENSTOCK_SHARDS: regionSettings.PENSTOCK_SHARDS,
});

/**
 * @param workers by name, each of which hears its own deliveries alone; those that a scaler starts share the user `worker`, which is there if none is
 * named. @param hasSelectors of this Redis.
 * @returns passwords by user.
 */
export function makeUsers(
  dataDir: string,
  workers: readonly string[],
  hasSelectors: boolean,
): ReadonlyMap<string, Passwords> {
  const { PENSTOCK_REGION: region, PENSTOCK_SHARDS: shards } = readConfig(REGION, process.env);
  return writeRoles(join(dataDir, DIRECTORY), membersOf(region, shards, workers), { hasSelectors });
}

/** The settings with which a process reaches the servers: as its user, or as the environment says where they are somebody else's. */
export function reachOf(
  user: string,
  { nats, redis }: LocalServers,
  dataDir: string,
): Record<string, string> {
  const file = (name: string) => join(dataDir, DIRECTORY, user, name);
  return {
    ...(nats.isOurs && {
      ...unset(natsSettings),
      ...{ PENSTOCK_NATS_USER: user, PENSTOCK_NATS_PASSWORD_FILE: file('nats-password') },
    }),
    ...(redis.isOurs && {
      ...unset(redisSettings),
      ...{ PENSTOCK_REDIS_USER: user, PENSTOCK_REDIS_PASSWORD_FILE: file('redis-password') },
    }),
    ...{ PENSTOCK_NATS_URL: nats.url, PENSTOCK_REDIS_URL: redis.url },
  };
}

/** What is set for servers elsewhere is not for ours. */
function unset(settings: object): Record<string, string> {
  return Object.fromEntries(Object.keys(settings).map(name => [name, '']));
}

/** The address with a login. */
export function withLogin({ url, isOurs }: LocalServer, user: string, password: string | undefined): string {
  return isOurs ? url.replace('://', `://${user}:${password}@`) : url;
}
