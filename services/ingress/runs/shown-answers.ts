/**
 * Answers whose clients waited for them, stored as if a worker had stored them. A failure costs the stored copy, not the
 * answer: nothing here rejects.
 */
import { encodeOps, type LogOp, type NewRun } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { RunEnd } from '@penstock/transport';
import type { InferenceRequest } from '../intake/understand.ts';
import type { Runs } from './runs.ts';

/** What is stored of the call beside its answer; made beforehand, so that the prompt need not stay. */
export type ShownCall = Pick<NewRun, 'id' | 'tenant' | 'detail' | 'model' | 'slug' | 'createdAt'>;

export function shownCallOf(
  { summary, model, acceptedAt }: InferenceRequest,
  { id, tenant }: { readonly id: string; readonly tenant: string },
  detail: string,
): ShownCall {
  return { id, tenant, detail, model: summary.model, slug: model.slug, createdAt: acceptedAt };
}

export class ShownAnswers {
  readonly #runs: Runs;
  readonly #clock: Clock;

  constructor(runs: Runs, clock: Clock) {
    this.#runs = runs;
    this.#clock = clock;
  }

  async keepCompletion(call: ShownCall, completion: object): Promise<void> {
    const { store, ttl } = this.#runs;
    const kept = this.#keep({ ...call, kind: 'completion' }, completion, {
      status: 'completed',
      log: 'none',
      last: null,
    });
    await Promise.all([kept, store.completions.add(call.tenant, call.id, call.createdAt, ttl)]).catch(
      () => {},
    );
  }

  /** @param ops what the events of the response are told from. @param isCut whether the engine stopped before its end. */
  async keepResponse(
    call: ShownCall,
    completion: object,
    ops: readonly LogOp[],
    isCut: boolean,
  ): Promise<void> {
    const status = isCut ? 'incomplete' : 'completed';
    const last = { entry: encodeOps(ops), at: 0 };
    await this.#keep({ ...call, kind: 'response', log: 'deltas' }, completion, {
      status,
      log: 'deltas',
      last,
    }).catch(() => {});
  }

  async #keep(
    call: ShownCall & Pick<NewRun, 'kind' | 'log'>,
    answer: object,
    end: Omit<RunEnd, 'result'>,
  ): Promise<void> {
    const finishedAt = this.#clock.now();
    const run: NewRun = { ...call, endpoint: 'chat', address: null, deadlineAt: finishedAt };
    const body = Buffer.from(JSON.stringify(answer));
    const result = { status: 200, contentType: 'application/json', body, finishedAt };
    await this.#runs.store.keep(run, { ...end, result }, this.#runs.ttl);
  }
}
