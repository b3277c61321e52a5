/**
 * Files: their records and their contents together. A content is stored once, however many files and open batches hold it,
 * and is deleted with the last of them.
 *
 * A content may be uploaded again at the moment when its last holder releases it. So it is marked as going before it is
 * deleted: while the mark stands nobody becomes a holder, and a new holder checks that the content is still there. The
 * content is deleted before the file's record, so that a file whose content could not be deleted can be deleted again.
 */
import { type BatchRecord, DispatchError, type FileRecord } from '@penstock/protocol';
import type { FileContents } from '../ports/tasks/file-contents.ts';
import type { FileUse, TaskRecords } from '../ports/tasks/task-records.ts';

export class FileLibrary {
  readonly #records: TaskRecords;
  readonly #contents: FileContents;

  constructor(records: TaskRecords, contents: FileContents) {
    this.#records = records;
    this.#contents = contents;
  }

  /**
   * @param most that its tenant may have with it.
   * @returns what its tenant had without it. Where that leaves no room for it, nothing of it is kept.
   * @throws DispatchError `storage_busy` when the same content is being deleted at this moment.
   */
  async add(file: FileRecord, upload: string | null = null, most: Partial<FileUse> = {}): Promise<FileUse> {
    const { kind, before } = await this.#records.addFile(file, upload, most);
    if (kind === 'added' && (await this.#contents.has(file.digest))) return before;
    if (kind === 'added') await this.remove(file);
    // This upload may have stored the content after it was deleted.
    else await this.discard(file.digest);
    if (kind === 'full') return before;
    throw new DispatchError('storage_busy');
  }

  async remove(file: FileRecord): Promise<void> {
    await this.discard(file.digest, file.id);
    await this.#records.removeFile(file);
  }

  /** Releases a content, and deletes it with its last holder. @param holder the file or batch that held it; empty for an upload that failed. */
  async discard(digest: string, holder = ''): Promise<void> {
    if (!(await this.#records.releaseContent(digest, holder))) return;
    await this.#contents.drop(digest);
    await this.#records.contentGone(digest);
  }

  /** Releases the input of a batch that is over, and takes the batch off the list of open ones. */
  async closeBatch(batch: BatchRecord): Promise<void> {
    await this.discard(batch.inputDigest, batch.id);
    await this.#records.forgetOpenBatch(batch.id);
  }
}
