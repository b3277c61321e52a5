/** From a request that was understood to a stored run. It depends neither on this node nor on the client's connection. */
import {
  FREE_PASS,
  type ProjectLimiter,
  type ResourceAllowance,
  type ResourceLimits,
  type RunPasses,
} from '@penstock/access';
import {
  type CallNames,
  DispatchError,
  type Endpoint,
  isTrailSampled,
  type Lane,
  type NewRun,
  type RunKind,
  type RunLogKind,
  type StoredRun,
  type WorkMeta,
} from '@penstock/protocol';
import { newRun, type OwnBacklog, type RunAcceptance } from '@penstock/runs';
import { requestAttributes, requestSpanName, type Tracing } from '@penstock/runtime';
import type { ClaimCheck, RequestTrails } from '@penstock/transport';
import type { StoreRoom } from '../intake/store-room.ts';
import { estimateOf, type TokenEstimates } from '../intake/token-estimates.ts';
import { type InferenceRequest, queueSizeOf } from '../intake/understand.ts';
import type { WorkMetaWriter } from '../intake/work-meta.ts';
import { limitedWork } from '../limits/limited-work.ts';
import type { RunCall } from './run-call.ts';

/** What is particular about a run. */
export interface RunAbout {
  readonly kind: RunKind;
  readonly detail: string;
  /** See {@link NewRun.labels}. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly log: RunLogKind;
  readonly lane: Lane;
}

export interface RunIntakeOptions {
  readonly acceptance: RunAcceptance;
  readonly workMeta: WorkMetaWriter;
  /** The shard for a request that any worker of the model may take. */
  readonly shardFor: (slug: string) => number;
  readonly claims: Pick<ClaimCheck, 'discard' | 'isLarge'>;
  readonly estimates: Pick<TokenEstimates, 'awaitRun' | 'runEnded'>;
  readonly storeRoom: Pick<StoreRoom, 'pass'>;
  readonly limiter: Pick<ProjectLimiter, 'enter'>;
  readonly passes: Pick<RunPasses, 'add'>;
  readonly resources: Pick<ResourceLimits, 'of'>;
  readonly region: string;
  /** Null where it is off. */
  readonly tracing: Tracing | null;
  readonly trailing: {
    readonly trails: Pick<RequestTrails, 'append'>;
    readonly share: number;
    readonly node: string;
    readonly now: () => number;
  };
}

export class RunIntake {
  readonly #o: RunIntakeOptions;

  constructor(options: RunIntakeOptions) {
    this.#o = options;
  }

  /** A run that is in no store and no queue yet. */
  newRun(endpoint: Endpoint, request: InferenceRequest, call: RunCall, about: RunAbout): NewRun {
    const { region, shardFor, claims } = this.#o;
    const { lane, ...particulars } = about;
    const { queue: slug } = request;
    return newRun({
      ...particulars,
      ...{ id: call.id, tenant: call.tenant, endpoint, model: request.summary.model },
      queue: { region, shard: shardFor(slug), slug, lane, size: queueSizeOf(lane, request) },
      createdAt: request.acceptedAt,
      deadlineAt: request.acceptedAt + call.timeoutMs,
      ...(request.claim !== undefined || claims.isLarge(request.body) ? { hasClaim: true } : {}),
    });
  }

  /**
   * Resolves once the run is stored and queued; a key that was used before leads to its run, as it is now.
   * @param told the headers that its limits give the answer.
   */
  async accept(
    endpoint: Endpoint,
    request: InferenceRequest,
    call: RunCall,
    about: RunAbout,
    told: (headers: Readonly<Record<string, string>>) => unknown,
  ): Promise<StoredRun> {
    const { limiter, passes, storeRoom } = this.#o;
    storeRoom.pass();
    const work = limitedWork(call.id, endpoint, request);
    const pass = await limiter.enter(call.caller, work);
    if (pass === FREE_PASS) return this.#accept(endpoint, request, call, about);
    // Before it is accepted, as with estimates below.
    passes.add(call.id, { pass, reserved: work.use });
    let accepted: StoredRun | null = null;
    try {
      accepted = await this.#accept(endpoint, request, call, about);
      told(pass.headers);
      return accepted;
    } finally {
      // What was refused, or had been asked before, counts for nothing.
      if (accepted?.id !== call.id) pass.settle(null);
    }
  }

  async #accept(
    endpoint: Endpoint,
    request: InferenceRequest,
    call: RunCall,
    about: RunAbout,
  ): Promise<StoredRun> {
    const { acceptance, workMeta, estimates, resources } = this.#o;
    const allowance = resources.of(call.caller, endpoint);
    const run = this.newRun(endpoint, request, call, about);
    const terms = { ...run, lane: about.lane, names: call.names };
    const meta = workMeta.write(request, terms);
    // Before it is accepted: its answer may be there before this node hears of the acceptance.
    estimates.awaitRun(run.id, estimateOf(endpoint, request));
    let accepted: StoredRun | null = null;
    try {
      accepted = await this.#traced(meta, call.names, about.kind, names =>
        acceptance.accept(
          run,
          { ...meta, ...names, body: request.body },
          call.idempotency,
          backlogOf(allowance),
        ),
      );
      if (accepted.id !== run.id) this.#discardForm(run.id, request);
      else this.#keepTrail(meta, call.tenant);
      return accepted;
    } catch (err) {
      if (err instanceof DispatchError && err.code === 'idempotency_key_reused')
        this.#discardForm(run.id, request);
      throw err;
    } finally {
      if (accepted?.id !== run.id) estimates.runEnded(run.id, null);
    }
  }

  /** The rest is told by the workers that take it. */
  #keepTrail({ id, acceptedAt, endpoint, model, lane, size, promptTokens }: WorkMeta, tenant: string): void {
    const { trails, share, node: by, now } = this.#o.trailing;
    if (!isTrailSampled(id, share)) return;
    trails.append(id, [
      { kind: 'accepted', at: acceptedAt, by, tenant, endpoint, model, lane, size, promptTokens },
      { kind: 'queued', at: now(), by },
    ]);
  }

  /** A form is in the store before it is known whether its key was used before. */
  #discardForm(id: string, { claim }: InferenceRequest): void {
    void this.#o.claims.discard({ id, claim });
  }

  /** The span ends with the acceptance; what workers do for the run is part of its trace, whenever that is. */
  async #traced(
    meta: WorkMeta,
    given: CallNames | undefined,
    kind: RunKind,
    accept: (names: Pick<WorkMeta, 'names'>) => Promise<StoredRun>,
  ): Promise<StoredRun> {
    const { tracing } = this.#o;
    if (tracing === null) return accept({});
    const name = requestSpanName(meta.endpoint, meta.model);
    const attributes = {
      ...requestAttributes(meta),
      ...{ 'penstock.lane': meta.lane, 'penstock.run.kind': kind },
    };
    const span = tracing.begin({ name, role: 'server', at: meta.acceptedAt, attributes }, given);
    try {
      return await accept({ names: { ...given, ...span.context } });
    } catch (err) {
      span.fail(err instanceof DispatchError ? err.code : 'internal_error');
      throw err;
    } finally {
      span.end();
    }
  }
}

/** What the limits of its project say of queued work. */
function backlogOf(allowance: ResourceAllowance): OwnBacklog {
  const [messages, bytes] = [allowance.most('max_queued_requests'), allowance.most('max_queued_bytes')];
  return {
    most: {
      ...(messages === undefined ? {} : { messages }),
      ...(bytes === undefined ? {} : { bytes }),
    },
    check: (before, more) =>
      allowance.check({ max_queued_requests: [before.messages, 1], max_queued_bytes: [before.bytes, more] }),
  };
}
