/** Records of files and batches of which the errors are sealed that quote the lines of a batch's input: what they say, and of which field. */
import type { BatchError, BatchRecord, FileRecord } from '@penstock/protocol';
import type { CreateOutcome, Idempotency } from '../ports/runs/idempotency.ts';
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

  addFile(file: FileRecord, upload: string | null): Promise<boolean> {
    return this.#records.addFile(file, upload);
  }

  uploadedBefore(upload: string): Promise<FileRecord | null> {
    return this.#records.uploadedBefore(upload);
  }

  file(id: string): Promise<FileRecord | null> {
    return this.#records.file(id);
  }

  files(tenant: string, purpose: string | null, order: PageOrder): Promise<Page<FileRecord> | null> {
    return this.#records.files(tenant, purpose, order);
  }

  removeFile(file: FileRecord): Promise<void> {
    return this.#records.removeFile(file);
  }

  endedFiles(nowS: number, most: number): Promise<string[]> {
    return this.#records.endedFiles(nowS, most);
  }

  releaseContent(digest: string, holder: string): Promise<boolean> {
    return this.#records.releaseContent(digest, holder);
  }

  contentGone(digest: string): Promise<void> {
    return this.#records.contentGone(digest);
  }

  /** One that begins has no errors yet. */
  addBatch(batch: BatchRecord, idempotency: Idempotency | null): Promise<CreateOutcome> {
    return this.#records.addBatch(batch, idempotency);
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

  openBatches(): Promise<string[]> {
    return this.#records.openBatches();
  }

  forgetOpenBatch(id: string): Promise<void> {
    return this.#records.forgetOpenBatch(id);
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
