/** `npm run admin -- encryption`: keys that wrap data keys, and what became of the data keys. */
import { parseArgs } from 'node:util';
import { encryptionSettings, readConfig } from '@penstock/runtime';
import { aboutKey, type DataKeyRecords, KeyList, RedisDataKeys } from '@penstock/transport';
import { z } from 'zod';
import { serverSettings, serversOf } from '../local/started-servers.ts';

export const ENCRYPTION_USAGE = `  encryption new NAME   a line for PENSTOCK_ENCRYPTION_KEYS_FILE or PENSTOCK_WORK_KEYS_FILE, with a key that was just drawn
  encryption list       which keys wrap how many data keys
  encryption rewrap     wraps all data keys under the first of PENSTOCK_ENCRYPTION_KEYS_FILE, so that the others can go
  encryption erase PROJECT --yes
                        erases the data keys of a project: nothing that was encrypted for it can ever be read again
`;

const config = z.object({ ...encryptionSettings(KeyList.parse), ...serverSettings });

/** @returns the exit code. @throws TypeError for arguments that are none. */
export async function encryption(args: string[], say: (line: string) => void): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { yes: { type: 'boolean' } },
  });
  const [command, name, ...more] = positionals;
  if (more.length > 0) throw new TypeError(`encryption ${command} takes no ${more[0]}`);
  if (command === 'new') return drawKey(name ?? '', say);
  const settings = readConfig(config, process.env);
  const records = await RedisDataKeys.connect(serversOf(settings, 'penstock-admin').redis);
  try {
    if (command === 'list') return await list(records, say);
    if (command === 'rewrap') return await rewrap(records, settings.PENSTOCK_ENCRYPTION_KEYS, say);
    if (command !== 'erase' || name === undefined)
      throw new TypeError('say encryption new NAME, list, rewrap or erase PROJECT');
    if (values.yes !== true)
      throw new TypeError(`nothing of ${name} could be read again: say --yes if that is meant`);
    say(`${await records.erase(name)} data keys of ${name} erased; processes forget them within a minute`);
    return 0;
  } finally {
    await records.close();
  }
}

function drawKey(name: string, say: (line: string) => void): number {
  say(KeyList.draw(name));
  return 0;
}

async function list(records: DataKeyRecords, say: (line: string) => void): Promise<number> {
  const counts = new Map<string, number>();
  const projects = new Set<string>();
  for await (const { project, key } of records.all(null)) {
    const name = key.wrapped.split('.', 1)[0] ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
    projects.add(project);
  }
  for (const [name, count] of counts) say(`${name}: ${count} data keys`);
  say(`${projects.size} projects`);
  return 0;
}

/** May be repeated, and while everything runs: a data key stays what it is. @throws TypeError without keys, SealError where one is missing. */
export async function rewrap(
  records: DataKeyRecords,
  keys: KeyList | undefined,
  say: (line: string) => void,
): Promise<number> {
  if (keys === undefined)
    throw new TypeError('give the keys with PENSTOCK_ENCRYPTION_KEYS_FILE, the new one first');
  let [done, left] = [0, 0];
  for await (const { project, day, key } of records.all(null)) {
    if (keys.nameIn(key.wrapped) === keys.current) {
      left += 1;
      continue;
    }
    const about = aboutKey(project, key.id);
    const wrapped = await keys.wrap(await keys.unwrap(key.wrapped, about), about);
    if (await records.rewrap(project, day, { ...key, wrapped }, key.wrapped)) done += 1;
  }
  say(`${done} data keys wrapped under ${keys.current}, ${left} were already`);
  return 0;
}
