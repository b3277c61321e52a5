/** Writes the output and the error file of a batch, in one pass over its lines, from the records of their runs. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import {
  addTokens,
  answeredLine,
  type BatchEndpoint,
  type BatchRecord,
  isBatchError,
  type LineOutcome,
  lineRunId,
  NO_TOKENS,
  readBatchLine,
  type StoredRun,
  type TokenCounts,
  unansweredLine,
} from '@penstock/protocol';
import type { FileContents, RunStore, StoredContent } from '@penstock/transport';
import type { Line } from './lines.ts';

/** Records read together, and answers so long that they are read one by one, bytes. */
const AHEAD = 16;
const LONG = 1024 * 1024;

export interface OutputOptions {
  readonly batch: BatchRecord;
  readonly endpoint: BatchEndpoint;
  readonly lines: () => AsyncIterable<Line>;
  readonly runs: RunStore;
  readonly contents: FileContents;
  /** Why a line may have no answer. */
  readonly unanswered: 'batch_expired' | 'batch_cancelled';
}

export interface BatchOutput {
  /** Null where no line belongs into it. */
  readonly output: StoredContent | null;
  readonly error: StoredContent | null;
  readonly completed: number;
  readonly failed: number;
  readonly usage: TokenCounts;
}

/** @throws what the store throws; then neither file is kept. */
export async function writeOutput(options: OutputOptions): Promise<BatchOutput> {
  const good = new LineFile(options.contents);
  const bad = new LineFile(options.contents);
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

async function* outcomes(options: OutputOptions): AsyncGenerator<LineOutcome> {
  let waiting: Line[] = [];
  let ahead = AHEAD;
  for await (const line of options.lines()) {
    waiting.push(line);
    if (waiting.length < ahead) continue;
    const runs = await readRuns(options, waiting);
    yield* tell(options, waiting, runs);
    ahead = runs.some(run => (run?.result?.body.length ?? 0) > LONG) ? 1 : AHEAD;
    waiting = [];
  }
  yield* tell(options, waiting, await readRuns(options, waiting));
}

function readRuns({ runs, batch }: OutputOptions, lines: readonly Line[]): Promise<(StoredRun | null)[]> {
  return Promise.all(lines.map(({ number }) => runs.read(lineRunId(batch.id, number))));
}

function* tell(
  { batch, endpoint, unanswered }: OutputOptions,
  lines: readonly Line[],
  runs: readonly (StoredRun | null)[],
): Generator<LineOutcome> {
  for (const [i, { number, text }] of lines.entries()) {
    const line = readBatchLine(text, number, endpoint);
    if (isBatchError(line)) continue;
    const id = lineRunId(batch.id, number);
    const result = runs[i]?.result ?? null;
    yield result === null ? unansweredLine(id, line.customId, unanswered) : answeredLine(id, line, result);
  }
}

/** A file that comes into being with its first line. */
class LineFile {
  readonly #contents: FileContents;
  #stream: PassThrough | null = null;
  #stored: Promise<StoredContent> | null = null;
  lines = 0;

  constructor(contents: FileContents) {
    this.#contents = contents;
  }

  async write(text: string): Promise<void> {
    this.lines++;
    this.#stream ??= this.#begin();
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }

  #begin(): PassThrough {
    const stream = new PassThrough();
    this.#stored = this.#contents.put(stream);
    // Whoever writes or ends hears of it; an error nobody listens for yet would end the process.
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
