/** Logs of runs whose entries are sealed, each for its own place. */
import type { AttemptKey } from '@penstock/protocol';
import type { AppendOutcome, LogHint, LogSlice, RunLog } from '../ports/runs/run-log.ts';
import type { RunStore } from '../ports/runs/run-store.ts';
import type { Seals } from '../ports/sealing/seals.ts';
import { isSealed } from '../vault/sealed-bytes.ts';
import { runRecord } from '../vault/work-seals.ts';
import { logField } from './sealed-run-store.ts';

/** Projects of runs that are read; more at once are looked up again. */
const MOST_REMEMBERED = 10_000;

export class SealedRunLog implements RunLog {
  readonly #log: RunLog;
  readonly #seals: Seals;
  readonly #runs: Pick<RunStore, 'outlines'>;
  readonly #projects = new Map<string, string>();

  /** @param runs says whose a run is. */
  constructor(log: RunLog, seals: Seals, runs: Pick<RunStore, 'outlines'>) {
    this.#log = log;
    this.#seals = seals;
    this.#runs = runs;
  }

  async append(id: string, attempt: AttemptKey, at: number, entry: Buffer): Promise<AppendOutcome> {
    const project = this.#seals.isOn ? await this.#projectOf(id) : null;
    const sealer = await this.#seals.sealer(project, runRecord(id));
    return this.#log.append(id, attempt, at, sealer === null ? entry : sealer.seal(logField(at), entry));
  }

  async slice(id: string, from: number, most: number): Promise<LogSlice | null> {
    const slice = await this.#log.slice(id, from, most);
    return slice === null ? null : { ...slice, entries: await this.#openAll(id, from, slice.entries) };
  }

  async peek(id: string, from: number, most: number): Promise<readonly Buffer[]> {
    return this.#openAll(id, from, await this.#log.peek(id, from, most));
  }

  restart(id: string, attempt: AttemptKey): Promise<boolean> {
    return this.#log.restart(id, attempt);
  }

  /** What cannot be opened ends the wait all the same: its watcher reads the log, and is told why there. */
  watch(id: string, onHint: (hint: LogHint) => void): Promise<() => void> {
    let turn: Promise<void> | null = null;
    let isOver = false;
    const tell = (hint: LogHint) => {
      if (!isOver) onHint(hint);
    };
    const stopped = this.#log.watch(id, hint => {
      const now = turn === null ? this.#openNow(id, hint) : undefined;
      if (now !== undefined) return tell(now);
      const opened = hint === null ? null : this.#openHint(id, hint);
      const next = (turn ?? Promise.resolve()).then(async () => tell(await opened));
      turn = next;
      void next.then(() => {
        if (turn === next) turn = null;
      });
    });
    return stopped.then(stop => () => {
      isOver = true;
      stop();
    });
  }

  /** Undefined where something has to be looked up first. */
  #openNow(id: string, hint: LogHint): LogHint | undefined {
    if (hint === null || !isSealed(hint.entry)) return hint;
    const project = this.#projects.get(id) ?? null;
    if (project === null && this.#seals.needsProject) return undefined;
    try {
      const entry = this.#seals.openNow(project, runRecord(id), logField(hint.length - 1), hint.entry);
      return entry === null ? undefined : { ...hint, entry };
    } catch {
      return null;
    }
  }

  async #openHint(id: string, hint: NonNullable<LogHint>): Promise<LogHint> {
    try {
      const [entry] = await this.#openAll(id, hint.length - 1, [hint.entry]);
      return entry === undefined ? null : { ...hint, entry };
    } catch {
      return null;
    }
  }

  async #openAll(id: string, from: number, entries: readonly Buffer[]): Promise<readonly Buffer[]> {
    if (!entries.some(isSealed)) return entries;
    const project = await this.#projectOf(id);
    const record = runRecord(id);
    return Promise.all(
      entries.map((entry, i) => {
        const field = logField(from + i);
        return (
          this.#seals.openNow(project, record, field, entry) ??
          this.#seals.open(project, record, field, entry)
        );
      }),
    );
  }

  async #projectOf(id: string): Promise<string | null> {
    const known = this.#projects.get(id);
    if (known !== undefined || !this.#seals.needsProject) return known ?? null;
    const [run = null] = await this.#runs.outlines([id]);
    if (run === null) return null;
    if (this.#projects.size >= MOST_REMEMBERED) this.#projects.clear();
    this.#projects.set(id, run.tenant);
    return run.tenant;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
