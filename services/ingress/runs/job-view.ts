/** A stored run as the client of a job sees it: how far it is, where its answer is found, and in what form. */
import {
  DispatchError,
  ENDPOINT_PATHS,
  type Endpoint,
  publicId,
  type ServiceTier,
  type StoredRun,
  toErrorBody,
} from '@penstock/protocol';

/** Kept with a job: the tier that its answer names, where the client named one. */
export function jobDetail(endpoint: Endpoint, tier: ServiceTier | null, used: string): string {
  return endpoint === 'chat' && tier !== null ? used : '';
}

export function withTier(answer: object, { detail }: StoredRun): object {
  return { ...answer, service_tier: detail };
}

/** What failed as a whole is told as any error, not as a stream. */
export function isStream(run: StoredRun): boolean {
  return run.log === 'events' && (run.result === null || run.result.status === 200);
}

/** What follows the last event of a stream that is not whole. @param run null where it was deleted meanwhile. */
export function lastWord(run: StoredRun | null): string {
  if (run?.result?.status === 200) return '';
  if (run?.result != null) return `data: ${run.result.body.toString('utf8')}\n\n`;
  const error = new DispatchError(run === null ? 'job_not_found' : 'job_cancelled');
  return `data: ${JSON.stringify(toErrorBody(error))}\n\n`;
}

/** Where the answer is found. */
export function locationOf(run: Pick<StoredRun, 'kind' | 'id'>): string {
  return `/v1/${run.kind === 'completion' ? 'chat/completions' : 'jobs'}/${publicId(run)}`;
}

export function jobObject(run: StoredRun) {
  return {
    id: publicId(run),
    object: 'job',
    status: run.status === 'incomplete' ? 'completed' : run.status,
    endpoint: ENDPOINT_PATHS[run.endpoint],
    model: run.model,
    created_at: Math.floor(run.createdAt / 1000),
    expires_at: Math.floor(run.deadlineAt / 1000),
  };
}
