/**
 * A synchronous call that has waited too long becomes a stored run: clients and proxies give up on silent connections, and then
 * repeat a request that is already running. The client gets 202 and the location of the run. A running attempt continues, and
 * this node stores its answer; a queued call, or one to be retried, is left to the queue and the record.
 */
import type { DispatchError, NewRun, QueueAddress, ResultMeta, StoredRun } from '@penstock/protocol';
import type { ConvertedCall, RunBy } from '@penstock/runs';
import type { HttpReply } from '../replies/http-reply.ts';

/** How one call becomes a stored run. */
export interface Conversion {
  readonly run: NewRun;
  /** Makes the record, whole or not at all. @param running who runs it now. @param address where its message is. */
  record(running: RunBy | null, address: QueueAddress): Promise<StoredRun>;
  /** Its message is to be queued elsewhere. */
  move(address: QueueAddress): Promise<void>;
  /** Answers the client with 202. */
  sendAway(stored: StoredRun): void;
  /** It was answered meanwhile after all, or its client left without having been told: the record goes. */
  undo(): Promise<void>;
  finish(attempt: RunBy, meta: ResultMeta, body: Buffer): Promise<void>;
  fail(attempt: RunBy, error: DispatchError): Promise<void>;
}

/** The record, and the client's answer. */
export interface ConversionPlan {
  readonly run: NewRun;
  readonly location: string;
  readonly describe: (run: StoredRun) => { body: object; headers: Record<string, string> };
}

export class RunConversion implements Conversion {
  readonly #plan: ConversionPlan;
  readonly #call: ConvertedCall;
  readonly #http: HttpReply;

  /** @param call the record of the plan's run. */
  constructor(plan: ConversionPlan, call: ConvertedCall, http: HttpReply) {
    this.#plan = plan;
    this.#call = call;
    this.#http = http;
  }

  get run(): NewRun {
    return this.#call.run;
  }

  record(running: RunBy | null, address: QueueAddress): Promise<StoredRun> {
    return this.#call.create(running, address);
  }

  move(address: QueueAddress): Promise<void> {
    return this.#call.move(address);
  }

  sendAway(stored: StoredRun): void {
    const { body, headers } = this.#plan.describe(stored);
    this.#http.accepted(body, { ...headers, location: this.#plan.location });
  }

  undo(): Promise<void> {
    return this.#call.withdraw();
  }

  finish(attempt: RunBy, meta: ResultMeta, body: Buffer): Promise<void> {
    return this.#call.finish(attempt, meta, body);
  }

  fail(attempt: RunBy, error: DispatchError): Promise<void> {
    return this.#call.fail(attempt, error);
  }
}
