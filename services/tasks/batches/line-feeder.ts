/**
 * Keeps a window of a batch's lines queued until all are answered or the batch is stopped.
 *
 * Every line is a stored run with an id made of batch and line number. Its record is made at most once, and the broker takes a
 * message once, so a batch may be begun again at any moment, and even be worked on by two processes for a while. Record first,
 * then message: one without the other can only be a record, and then the message is sent again. A record that is gone (the
 * server that kept it lost its disk) is made anew in another pass. So is a message that the broker has lost, which it tells nobody: open
 * lines are looked for a few at a time, and all of them are queued again where nothing ends any more, since queueing again what the
 * broker still has changes nothing.
 */
import {
  type BatchEndpoint,
  type BatchLine,
  type BatchRecord,
  DispatchError,
  isBatchError,
  isBatchFinal,
  isErrorStatus,
  isFinalStatus,
  lineRunId,
  type RunStatus,
  readBatchLine,
} from '@penstock/protocol';
import {
  encodeRunMessage,
  type LostRunFinder,
  publishRun,
  type RunCanceller,
  recordOnce,
} from '@penstock/runs';
import type { RunStore, TaskRecords, WorkPublisher } from '@penstock/transport';
import { cancelLines } from './cancel-lines.ts';
import { CHUNK, type FeedRoom, type Place } from './feed-room.ts';
import type { InputLine } from './input-lines.ts';
import { HELD, type LineLimits } from './line-limits.ts';
import { type LineWorkOptions, lineRun, lineWork } from './line-work.ts';

/** The batch to be fed. */
export interface FeederInput {
  readonly batch: BatchRecord;
  readonly endpoint: BatchEndpoint;
  /** The lines of the input file, from the beginning each time. */
  readonly lines: () => AsyncIterable<InputLine>;
}

export interface FeederOptions extends FeederInput, LineWorkOptions {
  readonly batch: BatchRecord;
  readonly records: TaskRecords;
  readonly runs: RunStore;
  readonly canceller: RunCanceller;
  /** Of this batch alone. */
  readonly finder: Pick<LostRunFinder, 'forget' | 'lookAt' | 'missed'>;
  readonly queue: Pick<WorkPublisher, 'publish'>;
  /** The line as the model that serves it gets it. */
  readonly served: (line: BatchLine) => BatchLine;
  readonly room: FeedRoom;
  /** Of its project. */
  readonly limits: Pick<LineLimits, 'enter' | 'isLimited'>;
}

/** How it ended: `over` means that another process finished the batch. */
export type FeedEnd = 'answered' | 'cancelled' | 'expired' | 'over';

/** Interval at which the records of all open lines are read, in case an announcement was lost, ms. */
const LOOK_MS = 2000;
/** Interval at which the record of the batch is read, ms; the second one where no line has ended for ten seconds: such batches may be many. */
const STATE_MS = 250;
const IDLE_STATE_MS = 1500;
/** Open lines are queued again when no line has ended for this long, ms. Doubles each time: most likely there is just no room. */
const STUCK_MS = { first: 60_000, most: 30 * 60_000 } as const;
/** Pause after the queue refused lines, ms, doubled each time. Nothing of the file is held meanwhile, and no turn. */
const REFUSED_MS = { first: 500, most: 16_000 } as const;
/** Open lines that are looked for at each look at all of them: each is a question to the broker, or a few. */
const MOST_LOOKED_FOR = 8;

interface Wanted {
  readonly id: string;
  readonly line: BatchLine;
  readonly bytes: number;
}

export class LineFeeder {
  readonly #o: FeederOptions;
  /** Id → bytes of the line. */
  readonly #open = new Map<string, number>();
  readonly #place: Place;
  /** Open lines that were announced as final. */
  #heard: string[] = [];
  #wake: (() => void) | null = null;
  readonly #counted = { completed: 0, failed: 0 };
  /** Count in the record: after a restart counting starts again, but clients should not see it fall. */
  readonly #shown: { completed: number; failed: number };
  #end: FeedEnd | null = null;
  #stateAt = Number.NEGATIVE_INFINITY;
  #lookedAt: number;
  #endedAt: number;
  #stuckMs: number = STUCK_MS.first;
  #isRefused = false;
  #refusedMs: number = REFUSED_MS.first;
  #heldMs = 0;
  /** Lines whose record or message was lost. */
  #lost = 0;
  /** Of the open lines, how many were looked for in this round. */
  #lookedFor = 0;

  constructor(options: FeederOptions) {
    this.#o = options;
    const { completed, failed } = options.batch;
    this.#shown = { completed, failed };
    this.#lookedAt = options.clock.monotonic();
    this.#endedAt = this.#lookedAt;
    this.#place = options.room.enter(options.batch.tenant);
  }

  /** Lines that are queued or running. */
  get open(): number {
    return this.#open.size;
  }

  /** A run was announced as final. */
  heard(id: string): void {
    if (!this.#open.has(id)) return;
    this.#heard.push(id);
    this.#wake?.();
  }

  /** May be called only once. */
  async feed(): Promise<FeedEnd> {
    try {
      return await this.#feed();
    } finally {
      this.#place.leave();
    }
  }

  async #feed(): Promise<FeedEnd> {
    let end: FeedEnd | null;
    do {
      this.#lost = 0;
      this.#counted.completed = 0;
      this.#counted.failed = 0;
      end = await this.#pass();
    } while (end === null && (this.#lost > 0 || this.#open.size > 0));
    if (end === 'cancelled' || end === 'expired') await cancelLines(this.#o);
    return end ?? 'answered';
  }

  /** Returns with lines still open if no line ends any more. */
  async #pass(): Promise<FeedEnd | null> {
    const { room, lines, limits, batch } = this.#o;
    for (const id of this.#open.keys()) this.#close(id);
    const source = lines()[Symbol.asyncIterator]();
    const most = Math.min(CHUNK.lines, room.window);
    let end: FeedEnd | null = null;
    let isMore = true;
    try {
      while (isMore && end === null) {
        end = await this.#until(() => this.#place.fits(most) || this.#isStuck());
        if (end === null && this.#isStuck()) return this.#beMorePatient();
        let held: readonly Wanted[] = [];
        const isLimited = end === null && (await limits.isLimited(batch.tenant));
        if (end === null)
          await room.turns.take(async () => {
            const chunk = await this.#readChunk(
              source,
              isLimited ? Math.min(HELD.lines, most) : most,
              isLimited,
            );
            isMore = chunk.length > 0;
            held = await this.#queueChunk(chunk);
          });
        end ??= await this.#queueHeld(held);
        if (this.#isRefused) return end ?? (await this.#afterRefusal());
      }
    } finally {
      await source.return?.();
    }
    end ??= await this.#until(() => this.#open.size === 0 || this.#isStuck());
    return end ?? (this.#open.size === 0 ? null : this.#beMorePatient());
  }

  /** The next pass queues what was refused. */
  async #afterRefusal(): Promise<FeedEnd | null> {
    const until = this.#o.clock.monotonic() + this.#refusedMs;
    this.#refusedMs = Math.min(2 * this.#refusedMs, REFUSED_MS.most);
    this.#isRefused = false;
    return this.#until(() => this.#o.clock.monotonic() >= until);
  }

  #isStuck(): boolean {
    return this.#open.size > 0 && this.#o.clock.monotonic() - this.#endedAt > this.#stuckMs;
  }

  #beMorePatient(): null {
    this.#endedAt = this.#o.clock.monotonic();
    this.#stuckMs = Math.min(2 * this.#stuckMs, STUCK_MS.most);
    return null;
  }

  #close(id: string): void {
    this.#place.giveBack(this.#open.get(id) ?? 0);
    this.#open.delete(id);
  }

  /** Empty at the end of the file. @param isHeld it may have to be kept for long. */
  async #readChunk(source: AsyncIterator<InputLine>, most: number, isHeld: boolean): Promise<Wanted[]> {
    const { batch, endpoint, served } = this.#o;
    const chunk: Wanted[] = [];
    let bytes = 0;
    while (chunk.length < most && bytes < (isHeld ? HELD : CHUNK).bytes) {
      const next = await source.next();
      if (next.done) break;
      const { number, text } = next.value;
      const line = readBatchLine(text, number, endpoint);
      if (isBatchError(line)) continue;
      chunk.push({ id: lineRunId(batch.id, number), line: served(line), bytes: text.length });
      bytes += text.length;
    }
    return chunk;
  }

  /** Waits where the limits of its project hold lines up. */
  async #queueHeld(held: readonly Wanted[]): Promise<FeedEnd | null> {
    const { clock } = this.#o;
    for (let rest = held; rest.length > 0; rest = await this.#queueChunk(rest)) {
      const until = clock.monotonic() + this.#heldMs;
      const end = await this.#until(() => clock.monotonic() >= until);
      if (end !== null) return end;
    }
    return null;
  }

  /** @returns the lines that have to wait for the limits of their project. */
  async #queueChunk(chunk: readonly Wanted[]): Promise<Wanted[]> {
    if (chunk.length === 0) return [];
    const { runs, limits, batch } = this.#o;
    const known = await runs.progress(chunk.map(({ id }) => id));
    const held: Wanted[] = [];
    await Promise.all(
      chunk.map(async (wanted, i) => {
        const found = known[i] ?? null;
        if (found !== null && this.#countFinal(found)) return;
        // What is known was counted when it was new.
        const waitMs = found === null ? await limits.enter(batch.tenant, wanted.id, wanted.line) : 0;
        if (waitMs > 0) {
          this.#heldMs = waitMs;
          held.push(wanted);
          return;
        }
        this.#open.set(wanted.id, wanted.bytes);
        this.#place.take(wanted.bytes);
        if (found?.status !== 'in_progress') await this.#queueLine(wanted, found !== null);
      }),
    );
    if (!this.#isRefused) this.#refusedMs = REFUSED_MS.first;
    return held;
  }

  /** Waits until the condition holds, counting answers meanwhile. */
  async #until(condition: () => boolean): Promise<FeedEnd | null> {
    for (;;) {
      await this.#countEnded();
      const end = await this.#state();
      if (end !== null) return end;
      if (condition()) return null;
      await this.#nextEnd();
    }
  }

  #nextEnd(): Promise<void> {
    if (this.#heard.length > 0) return Promise.resolve();
    return new Promise(resolve => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(wake, STATE_MS);
      this.#wake = wake;
    });
  }

  async #countEnded(): Promise<void> {
    const now = this.#o.clock.monotonic();
    const all = now - this.#lookedAt > LOOK_MS;
    if (all) this.#lookedAt = now;
    const ids = all ? [...this.#open.keys()] : this.#heard;
    this.#heard = [];
    if (ids.length === 0) return;
    for (const [i, found] of (await this.#o.runs.progress(ids)).entries()) {
      const id = ids[i] ?? '';
      if (!this.#open.has(id)) continue;
      if (found === null) this.#lost++;
      else if (!this.#countFinal(found)) continue;
      this.#close(id);
      this.#endedAt = now;
      this.#stuckMs = STUCK_MS.first;
    }
    // A broker that cannot say is asked again.
    if (all) await this.#lookForLost().catch(() => {});
  }

  /** Lines that nobody has any more are queued by the next pass. */
  async #lookForLost(): Promise<void> {
    const { finder, runs, clock } = this.#o;
    const open = [...this.#open.keys()];
    if (this.#lookedFor >= open.length) this.#lookedFor = 0;
    const ids = open.slice(this.#lookedFor, this.#lookedFor + MOST_LOOKED_FOR);
    this.#lookedFor += ids.length;
    for (const id of new Set([...finder.missed.slice(0, MOST_LOOKED_FOR), ...ids])) {
      if (!this.#open.has(id)) {
        finder.forget(id);
        continue;
      }
      const run = await finder.lookAt(id);
      if (run === null || !(await runs.requeue(id, run))) continue;
      this.#lost++;
      this.#close(id);
      this.#endedAt = clock.monotonic();
    }
  }

  /** @returns false for a line that is still open. */
  #countFinal({ status, code }: { status: RunStatus; code: number }): boolean {
    if (!isFinalStatus(status)) return false;
    if (code > 0 && !isErrorStatus(code)) this.#counted.completed++;
    else this.#counted.failed++;
    return true;
  }

  /** Records progress, and checks whether the batch is to go on. */
  async #state(): Promise<FeedEnd | null> {
    const { batch, records, clock } = this.#o;
    const now = clock.monotonic();
    const everyMs = now - this.#endedAt > 10_000 ? IDLE_STATE_MS : STATE_MS;
    if (this.#end !== null || now - this.#stateAt < everyMs) return this.#end;
    this.#stateAt = now;
    const { completed, failed } = this.#counted;
    if (completed > this.#shown.completed || failed > this.#shown.failed) {
      this.#shown.completed = Math.max(completed, this.#shown.completed);
      this.#shown.failed = Math.max(failed, this.#shown.failed);
      await records.updateBatch(batch.id, { ...this.#shown }, clock.now() / 1000);
    }
    const status = (await records.batch(batch.id))?.status;
    if (status === undefined || isBatchFinal(status)) this.#end = 'over';
    else if (status === 'cancelling') this.#end = 'cancelled';
    else if (clock.now() / 1000 >= batch.expiresAt) this.#end = 'expired';
    return this.#end;
  }

  /** Where the broker or the store is away or full, the line is left to a later pass. */
  async #queueLine({ id, line }: Wanted, wasRecorded: boolean): Promise<void> {
    const { batch, runs, queue, claims, clock } = this.#o;
    const ttlMs = Math.max(1, batch.expiresAt * 1000 - clock.now());
    const run = await recordOnce(runs, lineRun(this.#o, id, line), ttlMs);
    const work = lineWork(this.#o, id, line);
    // The broker may remember the first message without having it.
    const messageId = wasRecorded ? `${id}-${clock.now()}` : id;
    try {
      await publishRun(queue, run, await encodeRunMessage(claims, run, work), ttlMs, messageId);
    } catch (err) {
      if (!(err instanceof DispatchError)) throw err;
      this.#close(id);
      this.#lost++;
      this.#isRefused = true;
    }
  }
}
