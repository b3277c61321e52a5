/** The offices of projects and keys as the admin API has them, for a shell: on the region's Redis, with this user as who acts. */
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  type Actor,
  accessSettings,
  Deeds,
  KeyOffice,
  Peppers,
  ProjectOffice,
  ProvisionedRecords,
  projectsFileOf,
} from '@penstock/access';
import { DispatchError, type ErrorCode } from '@penstock/protocol';
import {
  auditSettings,
  ConfigError,
  commandLine,
  createIdSource,
  readConfig,
  regionClock,
  regionSettings,
} from '@penstock/runtime';
import { RedisAuditLog, RedisProjectRecords } from '@penstock/transport';
import { z } from 'zod';
import { serverSettings, serversOf } from '../local/started-servers.ts';

export interface Office {
  readonly by: Actor;
  readonly projects: ProjectOffice;
  readonly keys: KeyOffice;
}

const config = z.object({
  PENSTOCK_REGION: regionSettings.PENSTOCK_REGION,
  PENSTOCK_KEY_PEPPER: accessSettings.PENSTOCK_KEY_PEPPER,
  PENSTOCK_PROJECTS_FILE: accessSettings.PENSTOCK_PROJECTS_FILE,
  ...auditSettings,
  ...serverSettings,
});

/** @throws ConfigError, ConnectError, and what `act` throws, with a remedy where there is one. */
export async function inOffice<T>(act: (office: Office) => Promise<T>): Promise<T> {
  const settings = readConfig(config, process.env);
  const { redis } = serversOf(settings, 'penstock-admin');
  const { PENSTOCK_REGION: region, PENSTOCK_AUDIT_DAYS: days } = settings;
  const quiet = { info: () => {}, error: () => {} };
  const file = await projectsFileOf(settings, regionClock, quiet).catch((err: Error) => {
    throw new ConfigError([`PENSTOCK_PROJECTS_FILE: ${err.message}`]);
  });
  const audit = await RedisAuditLog.connect({ ...redis, clock: regionClock }, { region, days });
  const kept = await RedisProjectRecords.connect(redis);
  const records = file === null ? kept : new ProvisionedRecords(kept, file.provisioned);
  const deeds = new Deeds(audit, regionClock);
  const about = { records, deeds, nextId: createIdSource(), clock: regionClock };
  try {
    return await act({
      by: { who: `${userInfo().username}@${hostname()}` },
      projects: new ProjectOffice(about),
      keys: new KeyOffice({ ...about, peppers: new Peppers(peppersOf(settings)) }),
    });
  } catch (err) {
    throw withRemedy(err);
  } finally {
    await Promise.all([records.close(), audit.close()]);
  }
}

/** Those that are set, else that of the `npm start` whose data directory is used. */
function peppersOf(settings: z.infer<typeof config>): readonly string[] {
  if (settings.PENSTOCK_KEY_PEPPER.length > 0) return settings.PENSTOCK_KEY_PEPPER;
  try {
    return [readFileSync(join(settings.PENSTOCK_DATA_DIR, 'key-pepper'), 'utf8').trim()];
  } catch {
    return [];
  }
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  project_not_found: `\`${commandLine('admin')} projects list --archived\` shows all of them`,
  service_account_not_found: 'keys list shows the accounts of the keys that there are',
  key_not_found: `\`${commandLine('admin')} keys list PROJECT\`, or --admin, shows which there are`,
  no_key_pepper: 'give the one of the ingress nodes, or its file as PENSTOCK_KEY_PEPPER_FILE',
};

function withRemedy(err: unknown): unknown {
  const remedy = err instanceof DispatchError ? REMEDIES[err.code] : undefined;
  return remedy === undefined ? err : new Error(`${(err as Error).message} ${remedy}`, { cause: err });
}
