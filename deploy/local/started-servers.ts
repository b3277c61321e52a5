/** The servers of a running `npm start`, for commands beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** The file in which `npm start` records its servers; their ports are new at each start. */
const startedServers = z.object({ nats: z.string(), redis: z.string() });

export interface ServerSettings {
  readonly PENSTOCK_DATA_DIR: string;
  readonly PENSTOCK_NATS_URL?: string | undefined;
  readonly PENSTOCK_REDIS_URL?: string | undefined;
}

/** Those that are set, else those of the `npm start` that uses the directory, else the usual ports of this machine. */
export function serversOf(config: ServerSettings): { nats: string; redis: string } {
  let started = { nats: 'nats://127.0.0.1:4222', redis: 'redis://127.0.0.1:6379' };
  try {
    started = startedServers.parse(
      JSON.parse(readFileSync(join(config.PENSTOCK_DATA_DIR, 'servers.json'), 'utf8')),
    );
  } catch {
    // No `npm start` uses this directory.
  }
  return {
    nats: config.PENSTOCK_NATS_URL ?? started.nats,
    redis: config.PENSTOCK_REDIS_URL ?? started.redis,
  };
}
