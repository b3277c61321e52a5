/** How the parts fit together: what a process needs to tell whose a key is. */
import type { Clock } from '@penstock/runtime';
import type { ProjectRecords } from '@penstock/transport';
import { type FoundKey, type FoundProject, KeyRing } from './key-ring.ts';
import { KeyUses } from './lookup/key-uses.ts';
import { KnownRecords } from './lookup/known-records.ts';
import { RecordVersion } from './lookup/record-version.ts';
import type { Peppers } from './peppers.ts';
import type { Provisioned } from './provisioned/provisioned.ts';
import type { TokenVerifier } from './tokens/token-verifier.ts';

/** Of each, in memory. */
const MOST = 10_000;

export interface KeyStoreOptions {
  /** With those of the file. */
  readonly records: ProjectRecords;
  readonly provisioned: Provisioned;
  readonly configured: readonly string[];
  readonly admins: readonly string[];
  /** Null where no identity provider is trusted. */
  readonly tokens: TokenVerifier | null;
  readonly peppers: Peppers;
  readonly graceMs: number;
  readonly clock: Clock;
}

export interface KeyStore {
  readonly ring: KeyRing;
  /** Call once a second. */
  tick(): void;
}

export function openKeyStore(options: KeyStoreOptions): KeyStore {
  const { records, provisioned, tokens, configured, admins, peppers, graceMs, clock } = options;
  const version = new RecordVersion(records, clock);
  const uses = new KeyUses(records);
  const known = { store: records, version, graceMs, most: MOST };
  const readKey = async (id: string): Promise<FoundKey | null> => {
    const key = await records.key(id);
    if (key === null) return null;
    return { key, project: key.project === null ? null : await records.project(key.project) };
  };
  const keys = new KnownRecords<FoundKey>({ ...known, read: readKey });
  const readProject = async (id: string): Promise<FoundProject> => ({ project: await records.project(id) });
  const projects = new KnownRecords<FoundProject>({ ...known, read: readProject });
  return {
    ring: new KeyRing({ configured, admins, provisioned, tokens, peppers, keys, projects, uses, clock }),
    tick: () => {
      void version.ask();
      void tokens?.tick();
      void uses.write(Math.floor(clock.now() / 1000));
    },
  };
}
