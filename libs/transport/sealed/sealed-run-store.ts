/** A store of runs whose contents are sealed: what was asked, what was answered, and what was said of a failure. */
import type {
  AttemptKey,
  NewRun,
  QueueAddress,
  RunOutline,
  RunResult,
  RunStatus,
  StoredRun,
} from '@penstock/protocol';
import type { CompletionList } from '../ports/runs/completion-list.ts';
import type { Idempotency, RunCreateOutcome } from '../ports/runs/idempotency.ts';
import type {
  AttemptEnd,
  BacklogLimits,
  BeginOutcome,
  FailOutcome,
  RunEnd,
  RunStore,
} from '../ports/runs/run-store.ts';
import type { RunTtl } from '../ports/runs/run-ttl.ts';
import type { Sealer, Seals } from '../ports/sealing/seals.ts';
import { DETAIL_FIELD, runRecord } from '../vault/work-seals.ts';
import { openedText, sealedText } from './sealed-text.ts';

/** Fields of a record beside its {@link DETAIL_FIELD}. */
const BODY_FIELD = 'body';
const WORDS_FIELD = 'lastWords';

export class SealedRunStore implements RunStore {
  readonly completions: CompletionList;
  readonly #store: RunStore;
  readonly #seals: Seals;

  constructor(store: RunStore, seals: Seals) {
    this.#store = store;
    this.#seals = seals;
    this.completions = store.completions;
  }

  async create(
    run: NewRun,
    ttlMs: number,
    idempotency: Idempotency | null,
    message: Buffer | null = null,
    limits: BacklogLimits | null = null,
  ): Promise<RunCreateOutcome> {
    const sealer = await this.#seals.sealer(run.tenant, runRecord(run.id));
    return this.#store.create(withDetail(run, sealer), ttlMs, idempotency, message, limits);
  }

  async keep(run: NewRun, end: RunEnd, ttl: RunTtl): Promise<void> {
    const sealer = await this.#seals.sealer(run.tenant, runRecord(run.id));
    return this.#store.keep(withDetail(run, sealer), sealedEnd(end, sealer), ttl);
  }

  withdraw(id: string, idempotencyKey: string | null): Promise<boolean> {
    return this.#store.withdraw(id, idempotencyKey);
  }

  begin(id: string, attempt: AttemptKey, worker: string): Promise<BeginOutcome> {
    return this.#store.begin(id, attempt, worker);
  }

  async finish(id: string, attempt: AttemptKey, end: RunEnd, ttl: RunTtl): Promise<boolean> {
    return this.#store.finish(id, attempt, sealedEnd(end, await this.#sealerOf(id)), ttl);
  }

  async fail(
    id: string,
    attempt: AttemptKey,
    end: AttemptEnd,
    mostFailures: number,
    ttl: RunTtl,
  ): Promise<FailOutcome> {
    const sealer = await this.#sealerOf(id);
    const result = sealedResult(end.result, sealer);
    const lastWords = sealedText(end.lastWords, WORDS_FIELD, sealer);
    return this.#store.fail(id, attempt, { ...end, result, lastWords }, mostFailures, ttl);
  }

  async putBack(id: string, attempt: AttemptKey, lastWords: string): Promise<boolean> {
    return this.#store.putBack(id, attempt, sealedText(lastWords, WORDS_FIELD, await this.#sealerOf(id)));
  }

  cancel(run: Pick<NewRun, 'id' | 'tenant' | 'log'>, now: number, ttl: RunTtl): Promise<boolean> {
    return this.#store.cancel(run, now, ttl);
  }

  async expire(
    run: Pick<NewRun, 'id' | 'log'>,
    error: RunResult,
    slackMs: number,
    ttl: RunTtl,
  ): Promise<boolean> {
    return this.#store.expire(run, sealedResult(error, await this.#sealerOf(run.id)), slackMs, ttl);
  }

  memory(): Promise<{ readonly usedBytes: number; readonly mostBytes: number | null }> {
    return this.#store.memory();
  }

  time(): Promise<number> {
    return this.#store.time();
  }

  reopen(id: string, deadlineAt: number, ttlMs: number): Promise<boolean> {
    return this.#store.reopen(id, deadlineAt, ttlMs);
  }

  requeue(id: string, seen: Pick<StoredRun, 'attempt' | 'worker'>): Promise<boolean> {
    return this.#store.requeue(id, seen);
  }

  /** As it was queued: sealed, where messages are. */
  message(id: string): Promise<Buffer | null> {
    return this.#store.message(id);
  }

  /** A worker, which may have no key of a run that it is not given, leaves what is sealed as it is. */
  async read(id: string): Promise<StoredRun | null> {
    const run = await this.#store.read(id);
    if (run === null || !this.#seals.needsProject) return run;
    const detail = await this.#openText(run, DETAIL_FIELD, run.detail);
    const result =
      run.result === null
        ? null
        : { ...run.result, body: await this.#open(run, BODY_FIELD, run.result.body) };
    return { ...(await this.#withWords(run)), detail, result };
  }

  async outlines(ids: readonly string[]): Promise<(RunOutline | null)[]> {
    const found = await this.#store.outlines(ids);
    return Promise.all(found.map(run => (run === null ? null : this.#withWords(run))));
  }

  async describe(id: string, detail: string, labels: Readonly<Record<string, string>>): Promise<void> {
    return this.#store.describe(id, sealedText(detail, DETAIL_FIELD, await this.#sealerOf(id)), labels);
  }

  move(id: string, address: QueueAddress): Promise<boolean> {
    return this.#store.move(id, address);
  }

  progress(
    ids: readonly string[],
  ): Promise<({ readonly status: RunStatus; readonly code: number } | null)[]> {
    return this.#store.progress(ids);
  }

  shorten(ids: readonly string[], ttlMs: number): Promise<void> {
    return this.#store.shorten(ids, ttlMs);
  }

  remove(id: string, idempotencyKey: string | null): Promise<void> {
    return this.#store.remove(id, idempotencyKey);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Null too for a run that is gone: then nothing of it is written. */
  async #sealerOf(id: string): Promise<Sealer | null> {
    const given = await this.#seals.sealer(null, runRecord(id));
    if (given !== null || !this.#seals.isOn) return given;
    const [run = null] = await this.#store.outlines([id]);
    return run === null ? null : this.#seals.sealer(run.tenant, runRecord(id));
  }

  async #withWords<T extends Pick<StoredRun, 'id' | 'tenant' | 'lastWords'>>(run: T): Promise<T> {
    if (run.lastWords === undefined) return run;
    return { ...run, lastWords: await this.#openText(run, WORDS_FIELD, run.lastWords) };
  }

  #open({ id, tenant }: Pick<NewRun, 'id' | 'tenant'>, field: string, content: Buffer): Promise<Buffer> {
    return this.#seals.open(tenant, runRecord(id), field, content);
  }

  #openText({ id, tenant }: Pick<NewRun, 'id' | 'tenant'>, field: string, text: string): Promise<string> {
    return openedText(this.#seals, { project: tenant, record: runRecord(id), field }, text);
  }
}

function withDetail(run: NewRun, sealer: Sealer | null): NewRun {
  return { ...run, detail: sealedText(run.detail, DETAIL_FIELD, sealer) };
}

function sealedResult<R extends RunResult>(result: R, sealer: Sealer | null): R {
  if (sealer === null || result.body.length === 0) return result;
  return { ...result, body: sealer.seal(BODY_FIELD, result.body) };
}

function sealedEnd(end: RunEnd, sealer: Sealer | null): RunEnd {
  if (sealer === null) return end;
  const { last } = end;
  return {
    ...end,
    result: sealedResult(end.result, sealer),
    last: last === null ? null : { ...last, entry: sealer.seal(logField(last.at), last.entry) },
  };
}

/** Each entry of a log is bound to where it stands. */
export function logField(at: number): string {
  return `log:${at}`;
}
