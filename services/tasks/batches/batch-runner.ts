/**
 * Runs one batch from its input file to its output files.
 *
 * validating → failed | in_progress → finalizing → completed. A cancellation or the end of its time stops the open lines; finished
 * lines are written all the same. Any process may begin it again, in any state.
 */
import { UNRESTRICTED } from '@penstock/access';
import type { TokenEstimator } from '@penstock/policy';
import {
  type BatchError,
  type BatchRecord,
  batchEndpoint,
  type FileRecord,
  isBatchFinal,
  lineRunId,
  outputFileId,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type {
  BatchJobEnd,
  FileContents,
  FileLibrary,
  RunStore,
  StoredContent,
  TaskRecords,
} from '@penstock/transport';
import type { SlotShares } from '../slot-shares.ts';
import { type CheckRules, checkBatch } from './batch-check.ts';
import { type BatchOutput, OpenLineError, type OutputOptions, writeOutput } from './batch-output.ts';
import type { Semaphore } from './feed-room.ts';
import { type InputLine, readLines } from './input-lines.ts';
import type { FeedEnd, FeederInput, LineFeeder } from './line-feeder.ts';

/** Is told of batches that this process brought to their end. */
export interface BatchObserver {
  /** @param batch as it was when it was begun here. */
  finished(
    batch: BatchRecord,
    end: { readonly status: string; readonly completed: number; readonly failed: number },
  ): void;
}

export interface BatchRunnerOptions {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly library: FileLibrary;
  readonly mostLineBytes: number;
  readonly runs: RunStore;
  readonly rules: CheckRules;
  /** Makes the feeder of one batch. */
  readonly newFeeder: (input: FeederInput) => LineFeeder;
  readonly estimator: Pick<TokenEstimator, 'learn'>;
  /** Bounds how many batches of the process hold much of a file in memory at once. */
  readonly turns: Semaphore;
  /** Of this process, for all tenants. */
  readonly slots: SlotShares;
  readonly observers: readonly BatchObserver[];
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * How long the runs of a finished batch are kept, ms. A process that was thought dead may still work on the batch: it then finds the
 * lines answered and does not run them again.
 */
const KEPT_MS = 10 * 60_000;
const EXPIRE_CHUNK = 1000;

type Work = Omit<OutputOptions, 'unanswered'>;

export class BatchRunner {
  readonly #o: BatchRunnerOptions;
  readonly #feeders = new Set<LineFeeder>();

  constructor(options: BatchRunnerOptions) {
    this.#o = options;
  }

  /** Batches that this process works on, and lines of theirs that are queued or running. */
  get open(): { readonly batches: number; readonly lines: number } {
    let lines = 0;
    for (const feeder of this.#feeders) lines += feeder.open;
    return { batches: this.#feeders.size, lines };
  }

  /** A run was announced as final. */
  heard(runId: string): void {
    for (const feeder of this.#feeders) feeder.heard(runId);
  }

  /** `later` where the batch's tenant has its share of the slots. */
  async run(batchId: string): Promise<BatchJobEnd> {
    const { records, slots } = this.#o;
    const batch = await records.batch(batchId);
    const done = { kind: 'done' } as const;
    if (batch !== null) return slots.during(batch.tenant, () => this.#run(batch).then(() => done));
    await records.forgetOpenBatch(batchId);
    return done;
  }

  async #run(batch: BatchRecord): Promise<void> {
    const { runs, contents, library, estimator } = this.#o;
    const endpoint = batchEndpoint(batch.endpoint);
    if (isBatchFinal(batch.status)) return library.closeBatch(batch);
    if (endpoint === null || !(await contents.has(batch.inputDigest)))
      return this.#fail(batch, [
        {
          code: 'file_not_found',
          message: 'The input file does not exist any more.',
          param: null,
          line: null,
        },
      ]);
    const lines = () => this.#lines(batch);
    const work: Work = { batch, endpoint, lines, runs, contents, estimator };
    // A cancellation may come before the file was checked.
    const isChecked = batch.at.in_progress !== undefined;
    if (!isChecked && !(await this.#validate(work))) return;
    if (!(await this.#feedAndFinalize(work)))
      this.#o.log.info({ batch: batch.id }, 'batch was finished elsewhere');
    await library.closeBatch(batch);
  }

  async *#lines(batch: BatchRecord): AsyncGenerator<InputLine> {
    const { inputDigest, inputFileId: file, inputIsBound: isBound, tenant: project } = batch;
    const content = await this.#o.contents.open(inputDigest, { project, file, isBound });
    if (content === null) throw new Error('the input file does not exist any more');
    yield* readLines(content, this.#o.mostLineBytes);
  }

  /** @returns whether the input is valid. */
  async #validate({ batch, endpoint, lines }: Work): Promise<boolean> {
    const { rules, turns } = this.#o;
    const { permissions = UNRESTRICTED } = batch;
    const about = { endpoint, permissions, ...rules };
    const { errors, total, model } = await turns.take(() => checkBatch(lines(), about));
    if (errors.length > 0) await this.#fail(batch, errors);
    // Refused after a cancellation; the lines are then written as cancelled.
    else await this.#update(batch, { total, model, status: 'in_progress' });
    return errors.length === 0;
  }

  /** Feeds on where a line that was answered is open again when the output is written. @returns false if another process closed it first. */
  async #feedAndFinalize(work: Work): Promise<boolean> {
    for (;;) {
      const end = await this.#feed(work);
      if (end === 'over') return false;
      try {
        return await this.#finalize(work, end);
      } catch (err) {
        if (!(err instanceof OpenLineError)) throw err;
        this.#o.log.warn(
          { batch: work.batch.id, line: err.message },
          'the store forgot an answer: fed again',
        );
      }
    }
  }

  async #feed({ batch, endpoint, lines }: Work): Promise<FeedEnd> {
    const feeder = this.#o.newFeeder({ batch, endpoint, lines });
    this.#feeders.add(feeder);
    try {
      return await feeder.feed();
    } finally {
      this.#feeders.delete(feeder);
    }
  }

  /** Writes the output files from the records and closes the batch. @returns false if another process closed it first. */
  async #finalize(work: Work, end: Exclude<FeedEnd, 'over'>): Promise<boolean> {
    const { batch } = work;
    const isCancelled =
      end === 'cancelled' || (end === 'answered' && !(await this.#update(batch, { status: 'finalizing' })));
    const unanswered = isCancelled ? 'batch_cancelled' : end === 'expired' ? 'batch_expired' : null;
    const written = await this.#o.turns.take(() => writeOutput({ ...work, unanswered }));
    const { completed, failed, usage } = written;
    const now = await this.#o.records.batch(batch.id);
    if (now === null || isBatchFinal(now.status)) {
      await this.#discard(written);
      return false;
    }
    const files = {
      outputFileId: await this.#addFile(batch, 'output', written.output),
      errorFileId: await this.#addFile(batch, 'error', written.error),
    };
    const status = isCancelled ? 'cancelled' : end === 'expired' ? 'expired' : 'completed';
    const total = completed + failed;
    await this.#update(batch, { ...files, total, completed, failed, usage, status });
    await this.#expireRuns(work);
    this.#o.log.info({ batch: batch.id, total, completed, failed, status }, 'batch finished');
    for (const observer of this.#o.observers) observer.finished(batch, { status, completed, failed });
    return true;
  }

  async #discard({ output, error }: BatchOutput): Promise<void> {
    for (const content of [output, error])
      if (content !== null) await this.#o.library.discard(content.digest);
  }

  /** Adds an output file. Its id is the same when this is repeated after a crash, and replaces the file of the first try. */
  async #addFile(
    batch: BatchRecord,
    what: 'output' | 'error',
    content: StoredContent | null,
  ): Promise<string | null> {
    if (content === null) return null;
    const { records, library, clock } = this.#o;
    const id = outputFileId(batch.id, what);
    const earlier = await records.file(id);
    if (earlier !== null && earlier.digest !== content.digest) await library.remove(earlier);
    const createdAt = Math.floor(clock.now() / 1000);
    const { likeness: _likeness, ...stored } = content;
    const file: FileRecord = {
      id,
      tenant: batch.tenant,
      ...stored,
      createdAt,
      filename: `${batch.id}_${what}.jsonl`,
      purpose: 'batch_output',
      expiresAt: batch.outputLifeS === null ? null : createdAt + batch.outputLifeS,
    };
    await library.add(file);
    return id;
  }

  async #expireRuns({ batch, lines, runs }: Work): Promise<void> {
    let ids: string[] = [];
    for await (const { number } of lines()) {
      if (ids.push(lineRunId(batch.id, number)) < EXPIRE_CHUNK) continue;
      await runs.shorten(ids, KEPT_MS);
      ids = [];
    }
    await runs.shorten(ids, KEPT_MS);
  }

  async #fail(batch: BatchRecord, errors: readonly BatchError[]): Promise<void> {
    await this.#update(batch, { errors, status: 'failed' });
    for (const observer of this.#o.observers)
      observer.finished(batch, { status: 'failed', completed: 0, failed: 0 });
    await this.#o.library.closeBatch(batch);
  }

  #update(batch: BatchRecord, change: Partial<Omit<BatchRecord, 'at'>>): Promise<boolean> {
    const { records, clock } = this.#o;
    return records.updateBatch(batch.id, change, Math.floor(clock.now() / 1000));
  }
}
