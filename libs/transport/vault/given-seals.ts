/**
 * Seals and opens for the requests that this worker was given, and for no other: each message carries the key of its own record, wrapped for workers. The
 * keys of projects are not here.
 */
import type { Readable } from 'node:stream';
import type { Frame, WorkEnvelope } from '@penstock/protocol';
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import type { KeyList } from './key-list.ts';
import { sealFrame } from './reply-seals.ts';
import { isSealed, keyIdIn, openWith, type RecordKey, SealError, toRecordKey } from './sealed-bytes.ts';
import { openStreamWith } from './sealed-stream.ts';
import { sealerOf } from './vault.ts';
import { aboutWork, MESSAGE_FIELD, runRecord } from './work-seals.ts';

/** Many times what a worker runs and is about to run. */
const MOST_GIVEN = 20_000;

/** @property hidesReplies whether the answer goes to a client that waits, and is to be sealed on its way. */
interface GivenKey extends RecordKey {
  readonly hidesReplies: boolean;
  readonly sealer: Sealer;
}

export class GivenSeals implements Seals {
  readonly isOn = false;
  readonly needsProject = false;
  readonly #work: KeyList | null;
  /** By record; the one that was used last is the last. */
  readonly #given = new Map<string, GivenKey>();

  /** @param work null where none is set: then nothing that is sealed can be taken. */
  constructor(work: KeyList | null) {
    this.#work = work;
  }

  /** The work as its engine is to get it. @throws SealError where it cannot be opened here. */
  receive(work: WorkEnvelope): WorkEnvelope {
    const { seal, v, id, stored } = work.meta;
    if (seal === undefined) return work;
    if (this.#work === null)
      throw new SealError('the key for work is not there: set PENSTOCK_WORK_KEYS_FILE');
    const record = runRecord(id);
    const key = this.#work.unwrapNow(seal.key, aboutWork(seal.project, record, seal.id));
    const own = toRecordKey(key, seal.id, { project: seal.project, record });
    const given = { ...own, hidesReplies: v === 2 && !stored, sealer: sealerOf(own) };
    this.#given.delete(record);
    if (this.#given.size >= MOST_GIVEN) this.#given.delete(this.#given.keys().next().value ?? '');
    this.#given.set(record, given);
    if (v === 1) return work;
    return { meta: { ...work.meta, v: 1 }, body: openWith(given, MESSAGE_FIELD, work.body) };
  }

  /** A frame as its ingress is to get it. */
  sealFrame(frame: Frame): Frame {
    if (this.#given.size === 0) return frame;
    const key = this.#given.get(runRecord(frame.id));
    return key?.hidesReplies ? sealFrame(key, frame) : frame;
  }

  async sealer(_project: string | null, record: string): Promise<Sealer | null> {
    return this.#given.get(record)?.sealer ?? null;
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

  openNow(_project: string | null, record: string, field: string, content: Buffer): Buffer | null {
    if (!isSealed(content)) return content;
    const key = this.#given.get(record);
    return key === undefined ? null : openWith(key, field, content);
  }

  openStream(
    _project: string | null,
    records: readonly string[],
    content: Readable,
    isSealed = false,
  ): Promise<Readable> {
    const keysOf = async (keyId: string) => {
      const keys = records.map(record => this.#given.get(record)).filter(key => key?.keyId === keyId);
      if (keys.length > 0) return keys.filter(key => key !== undefined);
      throw new SealError(
        `${records[0]} is sealed with the data key "${keyId}", which this worker was not given`,
      );
    };
    return openStreamWith(content, keysOf, isSealed);
  }
}
