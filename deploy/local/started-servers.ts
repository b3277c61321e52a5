/** The servers that commands beside a region talk to: those of settings, else those of a running `npm start`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { natsOf, natsSettings, redisOf, redisSettings } from '@penstock/runtime';
import { z } from 'zod';

/** The file in which `npm start` records its servers; their ports are new at each start. */
const startedServers = z.object({ nats: z.string(), redis: z.string() });

/** Where `npm start` has its data, and where the servers are, if not there. */
export const serverSettings = {
  PENSTOCK_DATA_DIR: z.string().default('.penstock'),
  ...natsSettings,
  PENSTOCK_NATS_URL: natsSettings.PENSTOCK_NATS_URL.removeDefault().optional(),
  ...redisSettings,
  PENSTOCK_REDIS_URL: redisSettings.PENSTOCK_REDIS_URL.removeDefault().optional(),
};

/**
 * Those that are set, else those of the `npm start` that uses the directory, with its user for operators, else the usual ports of this machine.
 * @param name of the command, shown in the servers' lists of clients.
 */
export function serversOf(config: z.infer<z.ZodObject<typeof serverSettings>>, name: string) {
  let started = { nats: 'nats://127.0.0.1:4222', redis: 'redis://127.0.0.1:6379' };
  try {
    started = startedServers.parse(
      JSON.parse(readFileSync(join(config.PENSTOCK_DATA_DIR, 'servers.json'), 'utf8')),
    );
  } catch {
    // No `npm start` uses this directory.
  }
  const settings = {
    ...config,
    ...reach('PENSTOCK_NATS_URL', config.PENSTOCK_NATS_URL, started.nats, natsSettings),
    ...reach('PENSTOCK_REDIS_URL', config.PENSTOCK_REDIS_URL, started.redis, redisSettings),
  };
  // A command says nothing of a server that is used nevertheless: the services do.
  return { nats: natsOf(settings, name), redis: redisOf(settings, name, { warn: () => {} }) };
}

/** Where the address of the started one has a login, what is set is for servers elsewhere. */
function reach<Name extends string>(
  name: Name,
  given: string | undefined,
  started: string,
  settings: object,
): Record<Name, string> {
  const isOurs = given === undefined && started.includes('@');
  const others = isOurs ? Object.fromEntries(Object.keys(settings).map(key => [key, undefined])) : {};
  return { ...others, [name]: given ?? started } as Record<Name, string>;
}
