/** A stored run as the client of a job sees it: its state, and the location and form of its answer. */
import {
  DispatchError,
  type Endpoint,
  endpointPath,
  publicId,
  type StoredRun,
  toErrorBody,
} from '@penstock/protocol';

/** Kept with a job: the tier that its answer names, where the client named one. */
export function jobDetail(endpoint: Endpoint, tier: string | null, used: string): string {
  return endpoint === 'chat' && tier !== null ? used : '';
}

export function withTier(answer: object, { detail }: StoredRun): object {
  return { ...answer, service_tier: detail };
}

/** A run that failed as a whole is answered with a plain error, not with a stream. */
export function isStream(run: StoredRun): boolean {
  return run.log === 'events' && (run.result === null || run.result.status === 200);
}

/** The event that ends an incomplete stream. @param run null if it was deleted meanwhile. */
export function lastWord(run: StoredRun | null): string {
  if (run?.result?.status === 200) return '';
  if (run?.result != null) return `data: ${run.result.body.toString('utf8')}\n\n`;
  const error = new DispatchError(run === null ? 'job_not_found' : 'job_cancelled');
  return `data: ${JSON.stringify(toErrorBody(error))}\n\n`;
}

/** URL path of the answer. */
export function locationOf(run: Pick<StoredRun, 'kind' | 'id'>): string {
  return `/v1/${run.kind === 'completion' ? 'chat/completions' : 'jobs'}/${publicId(run)}`;
}

export function jobObject(run: StoredRun) {
  return {
    id: publicId(run),
    object: 'job',
    status: run.status === 'incomplete' ? 'completed' : run.status,
    endpoint: endpointPath(run.endpoint),
    model: run.model,
    created_at: Math.floor(run.createdAt / 1000),
    expires_at: Math.floor(run.deadlineAt / 1000),
  };
}
