/** A line of a batch as a stored run: its record, and what goes on the queue. */
import type { TokenEstimator } from '@penstock/policy';
import {
  type BatchLine,
  type BatchRecord,
  type Endpoint,
  type NewRun,
  toModelSlug,
  type WorkMeta,
} from '@penstock/protocol';
import { lineDeadline, newRun, type RunWork } from '@penstock/runs';
import type { Clock } from '@penstock/runtime';
import type { ClaimCheck } from '@penstock/transport';

/** Begins the trace of a line. */
export interface LineTracing {
  /** @returns what goes with its work. */
  queued(
    batchId: string,
    line: Pick<WorkMeta, 'id' | 'endpoint' | 'model' | 'maxTokens'>,
  ): Pick<WorkMeta, 'names'>;
}

export interface LineWorkOptions {
  readonly batch: BatchRecord;
  readonly claims: ClaimCheck;
  readonly region: string;
  /** A stream of the region that has workers for the model. */
  readonly shardFor: (slug: string) => number;
  /** Slug of the queue for requests to an endpoint of a model; null where no worker of it has the endpoint now. */
  readonly queueFor: (model: string, endpoint: Endpoint) => string | null;
  /** Shared with the other batches of the process. */
  readonly estimator: Pick<TokenEstimator, 'estimate'>;
  /** Null where it is off. */
  readonly tracing: LineTracing | null;
  readonly clock: Clock;
}

export function lineWork(
  { tracing, batch, estimator }: LineWorkOptions,
  id: string,
  { summary, body, endpoint }: BatchLine,
): RunWork {
  const { model, maxTokens, keepsNothing = false } = summary;
  return {
    partOf: batch.inputFileId,
    ...(keepsNothing ? { store: false } : {}),
    ...tracing?.queued(batch.id, { id, endpoint, model, maxTokens }),
    ...({ from: 'tasks', lane: 'batch', size: 'any', stream: false, fleetRate: 0 } as const),
    promptTokens: estimator.estimate(toModelSlug(model), summary.prompt),
    maxTokens,
    body,
  };
}

export function lineRun(
  { batch, region, clock, claims, shardFor, queueFor }: LineWorkOptions,
  id: string,
  line: BatchLine,
): NewRun {
  const { model } = line.summary;
  const slug = queueFor(model, line.endpoint) ?? toModelSlug(model);
  return newRun({
    ...{ id, kind: 'batch_line', detail: '', tenant: batch.tenant, endpoint: line.endpoint, model },
    queue: { region, shard: shardFor(slug), slug, lane: 'batch', size: 'any' },
    createdAt: clock.now(),
    deadlineAt: lineDeadline(batch.expiresAt * 1000),
    ...(claims.isLarge(line.body) ? { hasClaim: true } : {}),
  });
}
