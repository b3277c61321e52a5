/** A run before it is stored. */
import {
  type Endpoint,
  type NewRun,
  type RunKind,
  type RunLogKind,
  type WorkQueueKey,
  workStream,
  workSubject,
} from '@penstock/protocol';

/** What is known of a request that is to become a run. */
export interface RunRequest {
  readonly id: string;
  readonly kind: RunKind;
  /** What the kind needs to show itself: JSON, or empty. Holds prompts: never logged. */
  readonly detail: string;
  readonly log?: RunLogKind;
  readonly tenant: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  /** Where its message is queued. */
  readonly queue: WorkQueueKey;
  /** Unix ms. */
  readonly createdAt: number;
  /** Unix ms after which no engine may start it: see {@link runTimeoutMs} and {@link lineDeadline}. */
  readonly deadlineAt: number;
}

export function newRun({ queue, ...request }: RunRequest): NewRun {
  const { region, shard, slug } = queue;
  return {
    ...request,
    slug,
    stream: workStream(region, shard),
    subject: workSubject(queue, request.id),
  };
}
