/**
 * Seals and opens for the requests that this worker was given, and for no other: each message carries the key of its own record, wrapped for workers. The
 * keys of projects are not here.
 */
import type { Readable } from 'node:stream';
import type { WorkEnvelope } from '@penstock/protocol';
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import type { KeyList } from './key-list.ts';
import { isSealed, keyIdIn, openWith, type RecordKey, SealError } from './sealed-bytes.ts';
import { openStreamWith } from './sealed-stream.ts';
import { sealerOf } from './vault.ts';
import { aboutWork, MESSAGE_FIELD, runRecord } from './work-seals.ts';

/** Many times what a worker runs and is about to run. */
const MOST_GIVEN = 20_000;

export class GivenSeals implements Seals {
  readonly isOn = false;
  readonly needsProject = false;
  readonly #work: KeyList | null;
  /** By record; the one that was used last is the last. */
  readonly #given = new Map<string, RecordKey>();

  /** @param work null where none is set: then nothing that is sealed can be taken. */
  constructor(work: KeyList | null) {
    this.#work = work;
  }

  /** The work as its engine is to get it. @throws SealError where it cannot be opened here. */
  receive(work: WorkEnvelope): WorkEnvelope {
    const { seal, v, id } = work.meta;
    if (seal === undefined) return work;
    if (this.#work === null)
      throw new SealError('the key for work is not there: set PENSTOCK_WORK_KEYS_FILE');
    const record = runRecord(id);
    const key = this.#work.unwrapNow(seal.key, aboutWork(seal.project, record, seal.id));
    const given = { project: seal.project, record, keyId: seal.id, key };
    this.#given.delete(record);
    if (this.#given.size >= MOST_GIVEN) this.#given.delete(this.#given.keys().next().value ?? '');
    this.#given.set(record, given);
    if (v === 1) return work;
    return { meta: { ...work.meta, v: 1 }, body: openWith(given, MESSAGE_FIELD, work.body) };
  }

  async sealer(_project: string | null, record: string): Promise<Sealer | null> {
    const key = this.#given.get(record);
    return key === undefined ? null : sealerOf(key);
  }

  async open(_project: string | null, record: string, field: string, content: Buffer): Promise<Buffer> {
    if (!isSealed(content)) return content;
    const key = this.#given.get(record);
    if (key === undefined)
      throw new SealError(
        `${field} of ${record} is sealed with the data key "${keyIdIn(content)}", which this worker was not given`,
      );
    return openWith(key, field, content);
  }

  openStream(_project: string | null, record: string, content: Readable): Promise<Readable> {
    return openStreamWith(content, async keyId => {
      const key = this.#given.get(record);
      if (key === undefined || key.keyId !== keyId)
        throw new SealError(
          `${record} is sealed with the data key "${keyId}", which this worker was not given`,
        );
      return key;
    });
  }
}
