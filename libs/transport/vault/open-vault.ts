/** What a process needs to seal and open, by its settings. */
import type { DataKeyRecords } from '../ports/sealing/data-key-records.ts';
import type { RedisOptions } from '../redis/connection/connection.ts';
import { RedisDataKeys } from '../redis/sealing/data-keys.ts';
import type { KeyList } from './key-list.ts';
import { Vault, type VaultOptions } from './vault.ts';
import { WorkSeals } from './work-seals.ts';

export interface EncryptionOptions {
  /** Null where none is set. */
  readonly keys: KeyList | null;
  readonly work: KeyList | null;
  /** Whether what is new is sealed. */
  readonly isOn: boolean;
  /** Also bodies of requests whose clients wait. */
  readonly isAllWork: boolean;
}

export interface OpenVault {
  readonly vault: Vault;
  readonly work: WorkSeals;
  close(): Promise<void>;
}

/** Without keys no connection is made, and what is sealed is refused by the name of its key. @throws ConnectError */
export async function openVault(
  options: RedisOptions,
  { keys, work, isOn, isAllWork }: EncryptionOptions,
  clock: VaultOptions['clock'],
): Promise<OpenVault> {
  const records = keys === null ? null : await RedisDataKeys.connect(options);
  const vault = new Vault({ records: records ?? NONE, wrapper: keys, isOn: isOn && keys !== null, clock });
  await vault.check();
  const close = async () => records?.close();
  return { vault, work: new WorkSeals(vault, work, isAllWork), close };
}

const NONE: DataKeyRecords = {
  ofDay: async () => null,
  keep: async (_project, _day, key) => key,
  rewrap: async () => false,
  async *all() {},
  erase: async () => 0,
  close: async () => {},
};
