/** Records of files and batches. Sealed are those errors of a batch that quote the lines of its input: what they say, and of which field. */
import type { BatchError, BatchRecord } from '@penstock/protocol';
import type { Seals } from '../ports/sealing/seals.ts';
import type { Page, PageOrder } from '../ports/tasks/paging.ts';
import type { TaskRecords } from '../ports/tasks/task-records.ts';
import { ENCRYPTED, openedTextOrNull, sealedText } from './sealed-text.ts';

type BatchChange = Parameters<TaskRecords['updateBatch']>[1];

export class SealedTaskRecords implements TaskRecords {
  readonly #records: TaskRecords;
  readonly #seals: Seals;

  constructor(records: TaskRecords, seals: Seals) {
    this.#records = records;
    this.#seals = seals;
  }

  addFile(...args: Parameters<TaskRecords['addFile']>): ReturnType<TaskRecords['addFile']> {
    return this.#records.addFile(...args);
  }

  fileUse(...args: Parameters<TaskRecords['fileUse']>): ReturnType<TaskRecords['fileUse']> {
    return this.#records.fileUse(...args);
  }

  uploadedBefore(
    ...args: Parameters<TaskRecords['uploadedBefore']>
  ): ReturnType<TaskRecords['uploadedBefore']> {
    return this.#records.uploadedBefore(...args);
  }

  file(...args: Parameters<TaskRecords['file']>): ReturnType<TaskRecords['file']> {
    return this.#records.file(...args);
  }

  files(...args: Parameters<TaskRecords['files']>): ReturnType<TaskRecords['files']> {
    return this.#records.files(...args);
  }

  removeFile(...args: Parameters<TaskRecords['removeFile']>): ReturnType<TaskRecords['removeFile']> {
    return this.#records.removeFile(...args);
  }

  endedFiles(...args: Parameters<TaskRecords['endedFiles']>): ReturnType<TaskRecords['endedFiles']> {
    return this.#records.endedFiles(...args);
  }

  releaseContent(
    ...args: Parameters<TaskRecords['releaseContent']>
  ): ReturnType<TaskRecords['releaseContent']> {
    return this.#records.releaseContent(...args);
  }

  contentGone(...args: Parameters<TaskRecords['contentGone']>): ReturnType<TaskRecords['contentGone']> {
    return this.#records.contentGone(...args);
  }

  /** One that begins has no errors yet. */
  addBatch(...args: Parameters<TaskRecords['addBatch']>): ReturnType<TaskRecords['addBatch']> {
    return this.#records.addBatch(...args);
  }

  async batch(id: string): Promise<BatchRecord | null> {
    const batch = await this.#records.batch(id);
    return batch === null ? null : this.#opened(batch);
  }

  async batches(tenant: string, order: PageOrder): Promise<Page<BatchRecord> | null> {
    const page = await this.#records.batches(tenant, order);
    if (page === null) return null;
    return { ...page, items: await Promise.all(page.items.map(batch => this.#opened(batch))) };
  }

  openBatches(...args: Parameters<TaskRecords['openBatches']>): ReturnType<TaskRecords['openBatches']> {
    return this.#records.openBatches(...args);
  }

  forgetOpenBatch(
    ...args: Parameters<TaskRecords['forgetOpenBatch']>
  ): ReturnType<TaskRecords['forgetOpenBatch']> {
    return this.#records.forgetOpenBatch(...args);
  }

  async updateBatch(id: string, change: BatchChange, nowS: number): Promise<boolean> {
    const { errors = [] } = change;
    const batch = errors.length > 0 && this.#seals.isOn ? await this.#records.batch(id) : null;
    if (batch === null) return this.#records.updateBatch(id, change, nowS);
    const sealer = await this.#seals.sealer(batch.tenant, recordOf(id));
    const sealed = errors.map((error, i) => ({
      ...error,
      message: sealedText(error.message, messageField(i), sealer),
      param: error.param === null ? null : sealedText(error.param, paramField(i), sealer),
    }));
    return this.#records.updateBatch(id, { ...change, errors: sealed }, nowS);
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  /** A batch whose errors cannot be opened is a batch all the same. */
  async #opened(batch: BatchRecord): Promise<BatchRecord> {
    const { id, tenant: project, errors } = batch;
    if (errors.length === 0) return batch;
    const open = async (field: string, text: string) =>
      (await openedTextOrNull(this.#seals, { project, record: recordOf(id), field }, text)) ?? ENCRYPTED;
    const openError = async (error: BatchError, i: number): Promise<BatchError> => ({
      ...error,
      message: await open(messageField(i), error.message),
      param: error.param === null ? null : await open(paramField(i), error.param),
    });
    return { ...batch, errors: await Promise.all(errors.map(openError)) };
  }
}

function recordOf(id: string): string {
  return `batch:${id}`;
}

function messageField(index: number): string {
  return `error:${index}:message`;
}

function paramField(index: number): string {
  return `error:${index}:param`;
}
