/** Writes the output file and the error file of a batch from the records of its runs, in one pass over the input. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { TokenEstimator } from '@penstock/policy';
import {
  addTokens,
  answeredLine,
  type BatchEndpoint,
  type BatchRecord,
  ENDPOINT_TABLE,
  isBatchError,
  isFinalStatus,
  type LineOutcome,
  lineRunId,
  NO_TOKENS,
  outputFileId,
  readBatchLine,
  type StoredRun,
  type TokenCounts,
  toModelSlug,
  unansweredLine,
} from '@penstock/protocol';
import type { FileContents, FileOwner, RunStore, StoredContent } from '@penstock/transport';
import type { InputLine } from './input-lines.ts';

/** Records that are read together. */
const AHEAD = 16;
/** After an answer longer than this, records are read one at a time, bytes. */
const LONG = 1024 * 1024;

export interface OutputOptions {
  readonly batch: BatchRecord;
  readonly endpoint: BatchEndpoint;
  readonly lines: () => AsyncIterable<InputLine>;
  readonly runs: RunStore;
  readonly contents: FileContents;
  /** Learns from what the engines counted. */
  readonly estimator: Pick<TokenEstimator, 'learn'>;
  /** The error of lines without an answer; null where all must have one. */
  readonly unanswered: 'batch_expired' | 'batch_cancelled' | null;
}

/** A line that was answered is not any more: the store has forgotten it. */
export class OpenLineError extends Error {
  override readonly name = 'OpenLineError';
}

export interface BatchOutput {
  /** Null where no line belongs in it. */
  readonly output: StoredContent | null;
  readonly error: StoredContent | null;
  readonly completed: number;
  readonly failed: number;
  readonly usage: TokenCounts;
}

/** @throws OpenLineError, or whatever the store throws; then neither file is kept. */
export async function writeOutput(options: OutputOptions): Promise<BatchOutput> {
  const { contents, batch } = options;
  const good = new LineFile(contents, ownerOf(batch, 'output'));
  const bad = new LineFile(contents, ownerOf(batch, 'error'));
  let usage = NO_TOKENS;
  try {
    for await (const outcome of outcomes(options)) {
      await (outcome.isGood ? good : bad).write(outcome.text);
      usage = addTokens(usage, outcome.usage);
    }
    const [output, error] = await Promise.all([good.end(), bad.end()]);
    return { output, error, completed: good.lines, failed: bad.lines, usage };
  } catch (err) {
    good.abandon();
    bad.abandon();
    throw err;
  }
}

function ownerOf({ id, tenant }: BatchRecord, what: 'output' | 'error'): FileOwner {
  return { project: tenant, file: outputFileId(id, what) };
}

async function* outcomes(options: OutputOptions): AsyncGenerator<LineOutcome> {
  let waiting: InputLine[] = [];
  let ahead = AHEAD;
  for await (const line of options.lines()) {
    waiting.push(line);
    if (waiting.length < ahead) continue;
    const runs = await readRuns(options, waiting);
    yield* outcomesOf(options, waiting, runs);
    ahead = runs.some(run => (run?.result?.body.length ?? 0) > LONG) ? 1 : AHEAD;
    waiting = [];
  }
  yield* outcomesOf(options, waiting, await readRuns(options, waiting));
}

function readRuns(
  { runs, batch }: OutputOptions,
  lines: readonly InputLine[],
): Promise<(StoredRun | null)[]> {
  return Promise.all(lines.map(({ number }) => runs.read(lineRunId(batch.id, number))));
}

function* outcomesOf(
  { batch, endpoint, estimator, unanswered }: OutputOptions,
  lines: readonly InputLine[],
  runs: readonly (StoredRun | null)[],
): Generator<LineOutcome> {
  for (const [i, { number, text }] of lines.entries()) {
    const line = readBatchLine(text, number, endpoint);
    if (isBatchError(line)) continue;
    const id = lineRunId(batch.id, number);
    const { result = null, lastWords, status = 'queued' } = runs[i] ?? {};
    if (unanswered === null && !isFinalStatus(status)) throw new OpenLineError(id);
    if (result === null) yield unansweredLine(id, line.customId, unanswered ?? 'batch_cancelled', lastWords);
    else {
      const answered = answeredLine(id, line, result);
      const { model, prompt } = line.summary;
      if (ENDPOINT_TABLE[line.endpoint].usual)
        estimator.learn(toModelSlug(model), prompt, answered.usage.input);
      yield answered;
    }
  }
}

/** A file that is created with its first line. */
class LineFile {
  readonly #contents: FileContents;
  readonly #owner: FileOwner;
  #stream: PassThrough | null = null;
  #stored: Promise<StoredContent> | null = null;
  lines = 0;

  constructor(contents: FileContents, owner: FileOwner) {
    this.#contents = contents;
    this.#owner = owner;
  }

  async write(text: string): Promise<void> {
    this.lines++;
    this.#stream ??= this.#begin();
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }

  #begin(): PassThrough {
    const stream = new PassThrough();
    this.#stored = this.#contents.put(stream, this.#owner);
    // write() and end() report the error; without a listener it would end the process before one of them is called.
    stream.on('error', () => {});
    this.#stored.catch((err: Error) => stream.destroy(err));
    return stream;
  }

  async end(): Promise<StoredContent | null> {
    this.#stream?.end();
    return (await this.#stored) ?? null;
  }

  abandon(): void {
    this.#stream?.destroy(new Error('abandoned'));
  }
}
