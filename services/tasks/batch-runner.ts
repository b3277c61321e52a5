/**
 * Runs one batch from its input file to its output files.
 *
 * Every line is a stored run with an id made of batch and line number, so it does not matter how often a batch is begun:
 * lines that have a record already are not queued again, and the output is written from the records alone, in one go, when
 * no line is open any more. A window bounds how many lines are queued at once; the batch lane takes them when there is room.
 *
 * validating → failed | in_progress → finalizing → completed; a cancel or the end of its time stops what is open first.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BatchError,
  type BatchLine,
  type BatchRecord,
  type BatchStatus,
  batchEndpoint,
  DispatchError,
  type Endpoint,
  encodeEnvelope,
  encodeMessage,
  estimatePromptTokens,
  type FileRecord,
  isBatchError,
  isBatchFinal,
  lineRunId,
  type NewRun,
  readBatchLine,
  resultLine,
  unansweredLine,
  type WorkMeta,
  workerControlSubject,
  workStream,
  workSubject,
} from '@penstock/protocol';
import type { Clock, Logger } from '@penstock/runtime';
import type { FileContents, RunStore, TaskRecords, WorkQueue } from '@penstock/transport';
import { FileProblem, type Line, readLines } from './lines.ts';

export interface BatchRunnerOptions {
  readonly records: TaskRecords;
  readonly contents: FileContents;
  readonly runs: RunStore;
  readonly queue: WorkQueue;
  /** Model name → slug, of the models there are. */
  readonly slugOf: (model: string) => Promise<string | null>;
  readonly region: string;
  readonly shards: number;
  readonly window: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nextId: () => string;
}

const MAX_LINES = 50_000;
/** Mistakes listed at most. */
const MAX_ERRORS = 100;
/** How often the open lines are looked at, ms. */
const LOOK_MS = 100;
/** Pause after the queue refused a line, ms. */
const REFUSED_MS = 500;
/** Records outlive the batch by this, ms. */
const RECORD_SLACK_MS = 24 * 3600 * 1000;

interface Counts {
  completed: number;
  failed: number;
}

/** The batch was cancelled or its time is over. */
type Stop = 'cancelled' | 'expired' | null;

export class BatchRunner {
  readonly #o: BatchRunnerOptions;

  constructor(options: BatchRunnerOptions) {
    this.#o = options;
  }

  async run(batchId: string): Promise<void> {
    const batch = await this.#o.records.batch(batchId);
    if (batch === null || isBatchFinal(batch.status)) return;
    const file = await this.#o.records.file(batch.inputFileId);
    const endpoint = batchEndpoint(batch.endpoint);
    if (file === null || endpoint === null)
      return this.#fail(batch, [
        { code: 'file_not_found', message: 'The input file is gone.', param: null, line: null },
      ]);
    const checked = await this.#validate(file, endpoint);
    if (checked.errors.length > 0) return this.#fail(batch, checked.errors);
    await this.#enter(batch, 'in_progress', { total: checked.total });
    const counts: Counts = { completed: 0, failed: 0 };
    const stop = await this.#work(batch, file, endpoint, counts);
    await this.#finalize(batch, file, endpoint, stop, checked.total);
  }

  #lines(file: FileRecord): AsyncGenerator<Line> {
    return readLines(this.#o.contents.open(file.digest));
  }

  async #validate(file: FileRecord, endpoint: Endpoint): Promise<{ errors: BatchError[]; total: number }> {
    const errors: BatchError[] = [];
    const seen = new Set<string>();
    let total = 0;
    try {
      for await (const { number, text } of this.#lines(file)) {
        if (++total > MAX_LINES)
          throw new FileProblem('too_many_requests', `A batch has at most ${MAX_LINES} lines.`);
        const problem = await this.#checkLine(readBatchLine(text, number, endpoint), number, seen);
        if (problem !== null && errors.push(problem) >= MAX_ERRORS) break;
      }
    } catch (err) {
      if (!(err instanceof FileProblem)) throw err;
      errors.push({ code: err.code, message: err.message, param: null, line: err.line });
    }
    if (total === 0 && errors.length === 0)
      errors.push({
        code: 'empty_file',
        message: 'The file has no requests in it.',
        param: null,
        line: null,
      });
    return { errors, total };
  }

  async #checkLine(
    read: BatchLine | BatchError,
    line: number,
    seen: Set<string>,
  ): Promise<BatchError | null> {
    if (isBatchError(read)) return read;
    if (seen.has(read.customId))
      return {
        code: 'duplicate_custom_id',
        message: 'This custom_id is used twice.',
        param: 'custom_id',
        line,
      };
    seen.add(read.customId);
    if ((await this.#o.slugOf(read.summary.model)) !== null) return null;
    return { code: 'model_not_found', message: 'The model does not exist here.', param: 'body.model', line };
  }

  /** Queues the lines, a window at a time, until all are answered or the batch is stopped. */
  async #work(batch: BatchRecord, file: FileRecord, endpoint: Endpoint, counts: Counts): Promise<Stop> {
    const open = new Set<string>();
    for await (const { number, text } of this.#lines(file)) {
      const line = readBatchLine(text, number, endpoint);
      if (isBatchError(line)) continue;
      const id = lineRunId(batch.id, number);
      await this.#queueLine(batch, id, line, endpoint);
      open.add(id);
      if (open.size < this.#o.window) continue;
      const stop = await this.#until(batch, open, this.#o.window - 1, counts);
      if (stop !== null) return stop;
    }
    return this.#until(batch, open, 0, counts);
  }

  /** Waits until no more than so many lines are open. What is stopped is taken out of the queue. */
  async #until(batch: BatchRecord, open: Set<string>, most: number, counts: Counts): Promise<Stop> {
    for (;;) {
      const before = counts.completed + counts.failed;
      await this.#count(open, counts);
      if (counts.completed + counts.failed > before)
        await this.#o.records.updateBatch(batch.id, { ...counts });
      const stop = await this.#stopOf(batch);
      if (stop !== null) {
        for (const id of open) await this.#cancelLine(id, batch.tenant);
        return stop;
      }
      if (open.size <= most) return null;
      await sleep(LOOK_MS);
    }
  }

  async #count(open: Set<string>, counts: Counts): Promise<void> {
    const ids = [...open];
    const progress = await this.#o.runs.progress(ids);
    for (const [i, found] of progress.entries()) {
      if (found !== null && (found.status === 'queued' || found.status === 'in_progress')) continue;
      open.delete(ids[i] ?? '');
      if (found?.status === 'completed' && found.code < 400) counts.completed++;
      else counts.failed++;
    }
  }

  async #stopOf(batch: BatchRecord): Promise<Stop> {
    if (this.#o.clock.now() / 1000 > batch.expiresAt) return 'expired';
    const now = await this.#o.records.batch(batch.id);
    return now === null || now.status === 'cancelling' ? 'cancelled' : null;
  }

  /** Record first, then message: one without the other can only be a record, and then the message is sent again. */
  async #queueLine(batch: BatchRecord, id: string, line: BatchLine, endpoint: Endpoint): Promise<void> {
    const { runs, queue, clock } = this.#o;
    const known = await runs.read(id);
    if (known !== null && known.status !== 'queued') return;
    const run = known ?? (await this.#newRun(batch, id, line, endpoint));
    const ttlMs = Math.max(1, run.deadlineAt - clock.now());
    if (known === null) await runs.create(run, ttlMs + RECORD_SLACK_MS, null);
    const work = encodeEnvelope(this.#metaOf(run, line), Buffer.from(JSON.stringify(line.body)));
    for (;;) {
      try {
        return await queue.publish(run.subject, work, { messageId: id, ttlMs });
      } catch (err) {
        if (!(err instanceof DispatchError)) throw err;
        await sleep(REFUSED_MS);
      }
    }
  }

  async #newRun(batch: BatchRecord, id: string, line: BatchLine, endpoint: Endpoint): Promise<NewRun> {
    const { region, clock } = this.#o;
    const { model } = line.summary;
    const slug = (await this.#o.slugOf(model)) ?? '';
    const shard = Math.floor(Math.random() * this.#o.shards);
    const key = { region, shard, slug, lane: 'batch', size: 'any' } as const;
    return {
      ...{ id, kind: 'batch_line', detail: '', tenant: batch.tenant, endpoint, model, slug },
      stream: workStream(region, shard),
      subject: workSubject(key, id),
      createdAt: clock.now(),
      deadlineAt: batch.expiresAt * 1000,
    } as const;
  }

  #metaOf(run: NewRun, line: BatchLine): WorkMeta {
    const { id, endpoint, model, slug, createdAt, deadlineAt } = run;
    return {
      ...{ v: 1, id, from: 'tasks', endpoint, model, slug, lane: 'batch', size: 'any' },
      ...{ stream: false, stored: true, ask: false, attemptBase: 0, held: {}, fleetRate: 0 },
      promptTokens: estimatePromptTokens(line.summary.promptBytes),
      maxTokens: line.summary.maxTokens,
      acceptedAt: createdAt,
      deadlineAt,
    };
  }

  async #cancelLine(id: string, tenant: string): Promise<void> {
    const { runs, queue } = this.#o;
    await runs.cancel({ id, tenant }, this.#o.clock.now(), { recordMs: RECORD_SLACK_MS, logMs: 0 });
    const run = await runs.read(id);
    if (run === null || run.status !== 'cancelled') return;
    queue.purge(run.stream, run.subject);
    if (run.worker !== null)
      queue.send(workerControlSubject(run.worker), encodeMessage({ cancel: id, attempt: run.attempt }));
  }

  /** Writes the output files from the records and closes the batch. */
  async #finalize(
    batch: BatchRecord,
    file: FileRecord,
    endpoint: Endpoint,
    stop: Stop,
    total: number,
  ): Promise<void> {
    if (stop === null) await this.#enter(batch, 'finalizing');
    const unanswered = stop === null ? 'batch_expired' : (`batch_${stop}` as const);
    const counts: Counts = { completed: 0, failed: 0 };
    const output = this.#resultLines(batch, file, endpoint, unanswered, counts, true);
    const outputFileId = await this.#write(batch, 'output', output, () => counts.completed > 0);
    const errors = this.#resultLines(batch, file, endpoint, unanswered, counts, false);
    const errorFileId = await this.#write(batch, 'error', errors, () => counts.failed > 0);
    await this.#enter(batch, stop ?? 'completed', { ...counts, outputFileId, errorFileId });
    for await (const { number } of this.#lines(file))
      await this.#o.runs.remove(lineRunId(batch.id, number), null);
    this.#o.log.info({ batch: batch.id, total, ...counts, stop }, 'batch finished');
  }

  async *#resultLines(
    batch: BatchRecord,
    file: FileRecord,
    endpoint: Endpoint,
    unanswered: string,
    counts: Counts,
    good: boolean,
  ): AsyncGenerator<string> {
    for await (const { number, text } of this.#lines(file)) {
      const line = readBatchLine(text, number, endpoint);
      if (isBatchError(line)) continue;
      const id = lineRunId(batch.id, number);
      const result = (await this.#o.runs.read(id))?.result ?? null;
      const isGood = result !== null && result.status < 400;
      if (isGood !== good) continue;
      if (isGood) counts.completed++;
      else counts.failed++;
      yield result === null
        ? unansweredLine(id, line.customId, unanswered)
        : resultLine(id, line.customId, result);
    }
  }

  async #write(
    batch: BatchRecord,
    what: 'output' | 'error',
    lines: AsyncGenerator<string>,
    isWanted: () => boolean,
  ): Promise<string | null> {
    const { contents, records, clock, nextId } = this.#o;
    const { digest, bytes } = await contents.put(Readable.from(lines));
    if (!isWanted()) return null;
    const id = `file-${nextId()}`;
    const createdAt = Math.floor(clock.now() / 1000);
    const filename = `${batch.id}_${what}.jsonl`;
    await records.addFile({
      id,
      tenant: batch.tenant,
      digest,
      bytes,
      createdAt,
      filename,
      purpose: 'batch_output',
    });
    return id;
  }

  #fail(batch: BatchRecord, errors: readonly BatchError[]): Promise<void> {
    return this.#enter(batch, 'failed', { errors });
  }

  async #enter(batch: BatchRecord, status: BatchStatus, change: Partial<BatchRecord> = {}): Promise<void> {
    const { records, clock } = this.#o;
    const at = { ...(await records.batch(batch.id))?.at, [status]: Math.floor(clock.now() / 1000) };
    await records.updateBatch(batch.id, { ...change, status, at });
  }
}
