/**
 * Seals and opens for every project: what ingress nodes and tasks processes have. A data key for each project and day is drawn at random, kept wrapped, and
 * remembered here for a minute: so long after a project's keys were erased its records can still be opened here.
 */
import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { DataKeyRecords, WrappedKey } from '../ports/sealing/data-key-records.ts';
import type { KeyWrapper } from '../ports/sealing/key-wrapper.ts';
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import { KEY_BYTES } from './aes-gcm.ts';
import {
  extractOf,
  isSealed,
  keyIdIn,
  openWith,
  type RecordKey,
  recordKeyOf,
  SealError,
  sealWith,
} from './sealed-bytes.ts';
import { openStreamWith, sealStreamWith } from './sealed-stream.ts';

const REMEMBERED_MS = 60_000;
/** More projects and days at once are looked up again. */
const MOST_REMEMBERED = 10_000;
/** Keys of records of one data key: those in use, and many times so many. */
const MOST_DERIVED = 10_000;
const DAY_CHARS = 10;

export interface VaultOptions {
  readonly records: DataKeyRecords;
  /** Null: nothing can be opened that is sealed. */
  readonly wrapper: KeyWrapper | null;
  /** Whether what is new is sealed. */
  readonly isOn: boolean;
  readonly clock: { now(): number; monotonic(): number };
}

interface DerivedKey extends RecordKey {
  readonly sealer: Sealer;
}

/** With the keys of records that were derived from it lately: deriving one takes as long as sealing a page of text. */
class DataKey {
  readonly id: string;
  readonly #extract: KeyObject;
  readonly #derived = new Map<string, DerivedKey>();

  constructor(id: string, key: Buffer) {
    this.id = id;
    this.#extract = extractOf(key);
  }

  of(project: string, record: string): DerivedKey {
    const known = this.#derived.get(record);
    if (known !== undefined) return known;
    if (this.#derived.size >= MOST_DERIVED) this.#derived.clear();
    const own = recordKeyOf(this.#extract, this.id, { project, record });
    const derived = { ...own, sealer: sealerOf(own) };
    this.#derived.set(record, derived);
    return derived;
  }
}

interface Remembered {
  readonly found: Promise<DataKey | null>;
  /** What that resolved to; null until it has. */
  key: DataKey | null;
  readonly until: number;
}

export class Vault implements Seals {
  readonly needsProject = true;
  readonly #o: VaultOptions;
  readonly #remembered = new Map<string, Remembered>();
  #trouble: string | null = null;

  constructor(options: VaultOptions) {
    this.#o = options;
  }

  /** Whether what is new is sealed. */
  get isOn(): boolean {
    return this.#o.isOn;
  }

  /** Why something could not be opened or sealed lately, for the readiness of its process; null where nothing is wrong. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Looks whether the keys that there are can be unwrapped. Never rejects. */
  async check(): Promise<void> {
    const { records, wrapper } = this.#o;
    try {
      const names = new Set<string>();
      for await (const { project, day, key } of records.all(null)) {
        const name = wrapper?.nameIn(key.wrapped) ?? key.wrapped.split('.', 1)[0] ?? '';
        if (names.has(name)) continue;
        names.add(name);
        await this.#unwrap(project, day, key);
      }
      this.#trouble = null;
    } catch (err) {
      // A store that is away is somebody else's to tell.
      if (err instanceof SealError) this.#trouble = err.message;
    }
  }

  /** Call now and then: what was missing may be there. Never rejects. */
  async recheck(): Promise<void> {
    if (this.#trouble !== null) await this.check();
  }

  async sealer(project: string | null, record: string): Promise<Sealer | null> {
    if (!this.#o.isOn || project === null) return null;
    return (await this.#derivedToday(project, record)).sealer;
  }

  /** The key that a record is sealed with today. @param keyId of another data key, which something of it is sealed under. @throws SealError */
  async recordKey(project: string, record: string, keyId?: string): Promise<RecordKey> {
    return keyId === undefined
      ? this.#derivedToday(project, record)
      : this.#recordKeyBy(project, record, keyId);
  }

  async #derivedToday(project: string, record: string): Promise<DerivedKey> {
    const day = new Date(this.#o.clock.now()).toISOString().slice(0, DAY_CHARS);
    return (await this.#today(project, day)).of(project, record);
  }

  async open(project: string | null, record: string, field: string, content: Buffer): Promise<Buffer> {
    if (!isSealed(content)) return content;
    return openWith(await this.#recordKeyBy(project, record, keyIdIn(content)), field, content);
  }

  openNow(project: string | null, record: string, field: string, content: Buffer): Buffer | null {
    if (!isSealed(content)) return content;
    const keyId = keyIdIn(content);
    const key = project === null ? null : this.#atHand(project, keyId.slice(0, DAY_CHARS));
    return project === null || key?.id !== keyId ? null : openWith(key.of(project, record), field, content);
  }

  #atHand(project: string, day: string): DataKey | null {
    const remembered = this.#remembered.get(nameOf(project, day));
    if (remembered === undefined || remembered.until <= this.#o.clock.monotonic()) return null;
    return remembered.key;
  }

  openStream(
    project: string | null,
    records: readonly string[],
    content: Readable,
    isSealed = false,
  ): Promise<Readable> {
    const keysOf = (keyId: string) =>
      Promise.all(records.map(record => this.#recordKeyBy(project, record, keyId)));
    return openStreamWith(content, keysOf, isSealed);
  }

  async #recordKeyBy(project: string | null, record: string, keyId: string): Promise<RecordKey> {
    const found = project === null ? null : await this.#known(project, keyId.slice(0, DAY_CHARS));
    if (project === null || found === null || found.id !== keyId)
      throw new SealError(
        `the data key "${keyId}" is not there: the keys of its project were erased or lost`,
      );
    return found.of(project, record);
  }

  async #today(project: string, day: string): Promise<DataKey> {
    const found = await this.#known(project, day);
    if (found !== null) return found;
    const { records, wrapper } = this.#o;
    if (wrapper === null) throw noKeys();
    const [id, key] = [`${day}-${randomBytes(4).toString('hex')}`, randomBytes(KEY_BYTES)];
    const made = { id, wrapped: await wrapper.wrap(key, aboutKey(project, id)) };
    const kept = await records.keep(project, day, made);
    this.#remembered.delete(nameOf(project, day));
    if (kept.id !== id) return this.#unwrap(project, day, kept);
    return this.#remember(project, day, new DataKey(id, key));
  }

  /** Null where there is none of that day. */
  async #known(project: string, day: string): Promise<DataKey | null> {
    const name = nameOf(project, day);
    const now = this.#o.clock.monotonic();
    const remembered = this.#remembered.get(name);
    if (remembered !== undefined && remembered.until > now) return remembered.found;
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    const found = this.#o.records
      .ofDay(project, day)
      .then(key => (key === null ? null : this.#unwrap(project, day, key)));
    const entry: Remembered = { found, key: null, until: now + REMEMBERED_MS };
    this.#remembered.set(name, entry);
    try {
      const key = await found;
      entry.key = key;
      // Another process may make it at any moment.
      if (key === null) this.#remembered.delete(name);
      return key;
    } catch (err) {
      this.#remembered.delete(name);
      throw err;
    }
  }

  #remember(project: string, day: string, key: DataKey): DataKey {
    const until = this.#o.clock.monotonic() + REMEMBERED_MS;
    this.#remembered.set(nameOf(project, day), { found: Promise.resolve(key), key, until });
    return key;
  }

  async #unwrap(project: string, _day: string, { id, wrapped }: WrappedKey): Promise<DataKey> {
    try {
      if (this.#o.wrapper === null) throw noKeys(wrapped.split('.', 1)[0]);
      return new DataKey(id, await this.#o.wrapper.unwrap(wrapped, aboutKey(project, id)));
    } catch (err) {
      if (err instanceof SealError) this.#trouble = err.message;
      throw err;
    }
  }
}

/** Seals with the key of one record. */
export function sealerOf(key: RecordKey): Sealer {
  return {
    keyId: key.keyId,
    seal: (field, content) => sealWith(key, field, content),
    likeness: digest => createHmac('sha256', key.key).update(digest).digest('hex'),
    sealStream: content => sealStreamWith(key, content),
  };
}

/** What a wrapped data key is bound to. */
export function aboutKey(project: string, id: string): readonly (string | number)[] {
  return ['penstock data key', 1, project, id];
}

function noKeys(name = ''): SealError {
  return new SealError(`the key "${name}" is not in PENSTOCK_ENCRYPTION_KEYS, which is not set`);
}

function nameOf(project: string, day: string): string {
  return `${day} ${project}`;
}
