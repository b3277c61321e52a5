/** Seals messages of the queue: the key of a request's record goes with it, wrapped under a key that workers have. */
import type { WorkEnvelope } from '@penstock/protocol';
import type { KeyList } from './key-list.ts';
import { ReplyKeys } from './reply-seals.ts';
import { isSealedText, type RecordKey, sealWith, toSealedText } from './sealed-bytes.ts';
import type { Vault } from './vault.ts';

/** Of a run's record: its message, and what its record has of the request. */
export const MESSAGE_FIELD = 'message';
export const DETAIL_FIELD = 'detail';

export function runRecord(id: string): string {
  return `run:${id}`;
}

/** What a record's key is bound to in a message. */
export function aboutWork(project: string, record: string, keyId: string): readonly (string | number)[] {
  return ['penstock record key for work', 1, project, record, keyId];
}

export class WorkSeals {
  /** Of requests whose answers are sealed, too. */
  readonly replies = new ReplyKeys();
  readonly #vault: Pick<Vault, 'isOn' | 'recordKey'>;
  readonly #work: KeyList | null;
  readonly #isAll: boolean;

  /** @param isAll also the bodies of requests whose clients wait, and their answers. */
  constructor(vault: Pick<Vault, 'isOn' | 'recordKey'>, work: KeyList | null, isAll: boolean) {
    this.#vault = vault;
    this.#work = work;
    this.#isAll = isAll;
  }

  /** Nothing is changed. */
  get isOff(): boolean {
    return !this.#vault.isOn || this.#work === null;
  }

  /** A message before it is queued. What is sealed already stays as it is. @throws SealError where a key is missing. */
  async seal(project: string, { meta, body }: WorkEnvelope): Promise<WorkEnvelope> {
    const work = this.#work;
    if (!this.#vault.isOn || work === null || meta.v === 2) return { meta, body };
    const record = runRecord(meta.id);
    const key = await this.#vault.recordKey(project, record, meta.claim?.sealed?.key);
    const wrapped = work.wrapNow(key.key, aboutWork(project, record, key.keyId));
    const sealed = { ...meta, seal: { id: key.keyId, project, key: wrapped } };
    if (!meta.stored && this.#isAll) this.replies.add(meta.id, key);
    return meta.stored || this.#isAll ? hidden(key, { meta: sealed, body }) : { meta: sealed, body };
  }

  /** A message that is kept although its client waits no more. @throws SealError where a key is missing. */
  async sealKept(work: WorkEnvelope): Promise<WorkEnvelope> {
    const { id, seal, v } = work.meta;
    if (seal === undefined || v === 2) return work;
    return hidden(await this.#vault.recordKey(seal.project, runRecord(id), seal.id), work);
  }
}

function hidden(key: RecordKey, { meta, body }: WorkEnvelope): WorkEnvelope {
  const { run } = meta;
  const about =
    run === undefined || run.detail === '' || isSealedText(run.detail)
      ? {}
      : { run: { ...run, detail: toSealedText(sealWith(key, DETAIL_FIELD, Buffer.from(run.detail))) } };
  return { meta: { ...meta, ...about, v: 2 }, body: sealWith(key, MESSAGE_FIELD, body) };
}
