/**
 * Writes the answer of one attempt at a stored run to its log while it is generated: one append a tick, so that the cost
 * follows time, not tokens. The first tokens are written at once; after that ticks are short while somebody reads along
 * and long while nobody does.
 *
 * An attempt that continues an earlier one appends to what is logged. One that had to start from the beginning although
 * somebody has read the earlier words repeats them first (**replaying**): they are compared and not written again. Where the
 * engine says something else, or where whole events are logged, the run cannot go on without contradicting itself.
 */
import {
  type AttemptKey,
  addOp,
  ChunkReader,
  type Completion,
  CompletionBuilder,
  encodeOps,
  eventData,
  type LogOp,
  type RunLogKind,
  readChunk,
} from '@penstock/protocol';
import type { RunLog } from '@penstock/transport';
import { written } from './persistent-write.ts';
import type { ResumeState } from './resume-state.ts';

/** Between two appends, ms. */
const TICK_MS = { followed: 25, alone: 250 } as const;
/** An entry of this size is written before its tick is over. */
const MAX_ENTRY_BYTES = 64 * 1024;
const DONE = '[DONE]';

export interface RunLogWriterOptions {
  readonly log: RunLog;
  readonly id: string;
  readonly attempt: AttemptKey;
  readonly kind: Exclude<RunLogKind, 'none'>;
  /** What earlier attempts logged; null where there is nothing. */
  readonly resumeState: ResumeState | null;
  /** The run was cancelled, or belongs to a later attempt. */
  readonly onFenced: () => void;
  /** The run cannot go on. */
  readonly onBroken: (why: string) => void;
}

export class RunLogWriter {
  readonly #o: RunLogWriterOptions;
  readonly #reader = new ChunkReader();
  readonly #whole = new CompletionBuilder();
  /** What is still to be repeated before anything is new. */
  #expected: LogOp[];
  readonly #replays: boolean;
  /** Index of the next entry. */
  #at: number;
  #ops: LogOp[] = [];
  #raw: Buffer[] = [];
  #size = 0;
  #tickMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #appending: Promise<void> | null = null;
  /** Nothing more is added. */
  #closed = false;
  /** Nothing more is written either. */
  #isStopped = false;
  #broken: string | null = null;
  /** Finish reason and usage, logged only with the end. */
  readonly #ending: LogOp[] = [];

  constructor(options: RunLogWriterOptions) {
    this.#o = options;
    const { entries = 0, ops = [], replays = false } = options.resumeState ?? {};
    this.#at = entries;
    this.#replays = replays;
    this.#expected = replays ? [...ops] : [];
    for (const op of ops) this.#whole.add(op);
  }

  /** An answer that ends now would be shorter than what is logged. */
  get isBehind(): boolean {
    return this.#expected.length > 0;
  }

  /** Why the run cannot go on, or cannot end well; null while it can. */
  get broken(): string | null {
    return this.#broken;
  }

  get finishReason(): string | null {
    return this.#whole.finishReason;
  }

  get completion(): Completion {
    return this.#whole.completion;
  }

  /**
   * @param events whole events of the engine.
   * @param last nothing follows: they are left for {@link close}, so that no later attempt finds a log that looks complete.
   * @throws where they are not chunks of a chat completion.
   */
  add(events: Buffer, last: boolean): void {
    if (this.#closed || events.length === 0) return;
    if (this.#o.kind === 'events') this.#addRaw(events);
    else
      for (const data of eventData(events.toString('utf8')))
        if (data !== DONE) for (const op of this.#reader.read(readChunk(data))) this.#addOp(op);
    if (this.#size > 0 && !last) this.#schedule();
  }

  /** Ids and times in raw events differ between attempts, so that repetitions cannot be recognized. */
  #addRaw(events: Buffer): void {
    if (this.#replays)
      return this.#break('the engine started again, and part of the answer was already read');
    this.#raw.push(events);
    this.#size += events.length;
  }

  #addOp(op: LogOp): void {
    if (op[0] === 'f' || op[0] === 'u') {
      this.#whole.add(op);
      this.#ending.push(op);
      return;
    }
    const fresh = this.#expected.length > 0 ? this.#repeat(op) : op;
    if (fresh === null) return;
    this.#whole.add(fresh);
    addOp(this.#ops, fresh);
    this.#size += textOf(fresh).length;
  }

  /** @returns the part of the operation that goes beyond what is logged, if any. Ids of tool calls may differ. */
  #repeat(op: LogOp): LogOp | null {
    let left = textOf(op);
    while (left !== '' && this.#expected.length > 0) {
      const [known] = this.#expected as [LogOp];
      const text = textOf(known);
      const same = Math.min(text.length, left.length);
      if (!isSameKind(known, op) || text.slice(0, same) !== left.slice(0, same)) {
        this.#break('the engine answered differently than before, and part of the answer was already read');
        return null;
      }
      left = left.slice(same);
      if (same === text.length) this.#expected.shift();
      else this.#expected[0] = withText(known, text.slice(same));
    }
    if (left === '') return null;
    return left === textOf(op) ? op : withText(op, left);
  }

  #break(why: string): void {
    this.stop();
    this.#broken = why;
    this.#o.onBroken(why);
  }

  #schedule(): void {
    if (this.#appending !== null) return;
    if (this.#tickMs === 0 || this.#size > MAX_ENTRY_BYTES) return this.#flush();
    this.#timer ??= setTimeout(() => this.#flush(), this.#tickMs);
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const entry = this.#take();
    if (entry === null) return;
    const { log, id, attempt } = this.#o;
    this.#appending = written(
      () => log.append(id, attempt, this.#at, entry),
      () => !this.#isStopped,
    )
      .then(outcome => {
        if (outcome === 'fenced') {
          this.stop();
          this.#o.onFenced();
        } else if (outcome === 'torn') this.#break('the log of the run was lost');
        else {
          this.#at++;
          this.#tickMs = outcome > 0 ? TICK_MS.followed : TICK_MS.alone;
        }
      })
      // Stopped meanwhile: it belongs to nobody any more.
      .catch(() => {})
      .finally(() => {
        this.#appending = null;
        if (!this.#closed && this.#size > 0) this.#schedule();
      });
  }

  #take(): Buffer | null {
    if (this.#size === 0) return null;
    this.#size = 0;
    if (this.#o.kind === 'events') {
      const entry = Buffer.concat(this.#raw);
      this.#raw = [];
      return entry;
    }
    const entry = encodeOps(this.#ops);
    this.#ops = [];
    return entry;
  }

  /** @returns the last entry, for the script that ends the run; null where there is none, or the writer stopped: see {@link broken}. */
  async close(): Promise<{ entry: Buffer; at: number } | null> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const stopped = this.#closed;
    this.#closed = true;
    await this.#appending;
    if (stopped || this.#isStopped || this.#broken !== null) return null;
    for (const op of this.#ending) this.#ops.push(op);
    if (this.#o.kind === 'deltas' && this.#ops.length > 0) this.#size++;
    const entry = this.#take();
    return entry === null ? null : { entry, at: this.#at };
  }

  /** Writes nothing more. */
  stop(): void {
    this.#closed = true;
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function textOf(op: LogOp): string {
  if (op[0] === 'c') return (op[3] ?? '') + op[4];
  return op[0] === 't' || op[0] === 'r' || op[0] === 'x' ? op[1] : '';
}

function isSameKind(a: LogOp, b: LogOp): boolean {
  return a[0] === b[0] && (a[0] !== 'c' || a[1] === b[1]);
}

function withText(op: LogOp, text: string): LogOp {
  if (op[0] === 't') return ['t', text, op[2]];
  if (op[0] === 'r' || op[0] === 'x') return [op[0], text];
  return op[0] === 'c' ? ['c', op[1], null, null, text] : op;
}
