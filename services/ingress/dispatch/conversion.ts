/**
 * A synchronous call that has waited too long becomes a stored run: clients and what is between them give up on silent
 * connections, and then ask again for what is already being worked on. Its client is sent away with 202 and the place to look.
 * What runs goes on, and this node stores its answer; what waits, or has to be tried again, is left to the queue and the record.
 */
import {
  type DispatchError,
  JSON_CONTENT_TYPE,
  type NewRun,
  type ResultMeta,
  responseStatusOf,
  type StoredRun,
  toErrorBody,
} from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { HttpReply } from '../replies/http-reply.ts';
import type { Runs } from '../runs/runs.ts';

/** How one call becomes a stored run. */
export interface Conversion {
  readonly run: NewRun;
  /** Makes the record. @param worker who runs it now. */
  record(attempt: number, worker: string | null): Promise<void>;
  /** Sends the client away. */
  sendAway(): Promise<void>;
  /** It was answered meanwhile after all, or its client left without having been told: the record goes. */
  undo(): Promise<void>;
  finish(attempt: number, worker: string, meta: ResultMeta, body: Buffer): Promise<void>;
  fail(attempt: number, worker: string, error: DispatchError): Promise<void>;
}

/** What the record says, and what the client is told. */
export interface ConversionPlan {
  readonly run: NewRun;
  readonly location: string;
  readonly describe: (run: StoredRun) => { body: object; headers: Record<string, string> };
}

/** The record is kept for this long beyond its deadline, ms. */
const RECORD_SLACK_MS = 24 * 3600 * 1000;

export class RunConversion implements Conversion {
  readonly run: NewRun;
  readonly #plan: ConversionPlan;
  readonly #runs: Runs;
  readonly #http: HttpReply;
  readonly #clock: Clock;

  constructor(plan: ConversionPlan, runs: Runs, http: HttpReply, clock: Clock) {
    this.run = plan.run;
    this.#plan = plan;
    this.#runs = runs;
    this.#http = http;
    this.#clock = clock;
  }

  async record(attempt: number, worker: string | null): Promise<void> {
    const { run } = this;
    const { store, ttl } = this.#runs;
    await store.create(run, run.deadlineAt - run.createdAt + RECORD_SLACK_MS, null);
    if (run.kind === 'completion') await store.completions.add(run.tenant, run.id, run.createdAt, ttl);
    if (worker !== null) await store.begin(run.id, attempt, worker);
  }

  async sendAway(): Promise<void> {
    const stored = await this.#runs.store.read(this.run.id);
    if (stored === null) return;
    const { body, headers } = this.#plan.describe(stored);
    this.#http.accepted(body, { ...headers, location: this.#plan.location });
  }

  async undo(): Promise<void> {
    const { id, kind, tenant } = this.run;
    await this.#runs.store.remove(id, null);
    if (kind === 'completion') await this.#runs.store.completions.remove(tenant, id);
  }

  async finish(attempt: number, worker: string, meta: ResultMeta, body: Buffer): Promise<void> {
    await this.#end(attempt, worker, meta, body, false);
  }

  async fail(attempt: number, worker: string, error: DispatchError): Promise<void> {
    const body = Buffer.from(JSON.stringify(toErrorBody(error)));
    await this.#end(attempt, worker, { status: error.status, contentType: JSON_CONTENT_TYPE }, body, true);
  }

  async #end(attempt: number, worker: string, meta: ResultMeta, body: Buffer, failed: boolean) {
    const { id, kind } = this.run;
    const { store, ttl } = this.#runs;
    // The attempt may be later than the one that ran when the call was converted.
    await store.begin(id, attempt, worker);
    const result = { ...meta, body, finishedAt: this.#clock.now() };
    const answered = kind === 'response' ? responseStatusOf(result) : 'completed';
    const status = failed ? 'failed' : answered;
    if (await store.finish(id, attempt, { status, result, log: 'none', last: null }, ttl))
      this.#runs.tellFinal(id);
  }
}
