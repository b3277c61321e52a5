/**
 * Files as a whole: what is remembered of them, and their contents. One content is kept once, however many files and open
 * batches hold it, and goes with the last of them.
 *
 * Somebody may upload a content at the moment when its last holder lets go. So the last one marks it as going before it is
 * deleted; while the mark stands nobody becomes a holder, and who became one looks whether the content is still there.
 * A content goes before the record of its file: where deleting it fails, the file is there to be deleted again.
 */
import { type BatchRecord, DispatchError, type FileRecord } from '@penstock/protocol';
import type { FileContents } from '../ports/tasks/file-contents.ts';
import type { TaskRecords } from '../ports/tasks/task-records.ts';

export class FileLibrary {
  readonly #records: TaskRecords;
  readonly #contents: FileContents;

  constructor(records: TaskRecords, contents: FileContents) {
    this.#records = records;
    this.#contents = contents;
  }

  /** @throws DispatchError `storage_busy` when the same content is being deleted just now. */
  async add(file: FileRecord, upload: string | null = null): Promise<void> {
    const added = await this.#records.addFile(file, upload);
    if (added && (await this.#contents.has(file.digest))) return;
    if (added) await this.remove(file);
    // It may have been stored after the other one was deleted.
    else await this.discard(file.digest);
    throw new DispatchError('storage_busy');
  }

  async remove(file: FileRecord): Promise<void> {
    await this.discard(file.digest, file.id);
    await this.#records.removeFile(file);
  }

  /** Lets go of a content. @param holder the file or batch that held it; empty for an upload that became nothing. */
  async discard(digest: string, holder = ''): Promise<void> {
    if (!(await this.#records.releaseContent(digest, holder))) return;
    await this.#contents.drop(digest);
    await this.#records.contentGone(digest);
  }

  /** A batch is over: nobody needs to look at it any more, and its input may go. */
  async closeBatch(batch: BatchRecord): Promise<void> {
    await this.discard(batch.inputDigest, batch.id);
    await this.#records.forgetOpenBatch(batch.id);
  }
}
