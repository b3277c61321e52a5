/** A run before it is stored. */
import {
  type Endpoint,
  type NewRun,
  type QueueAddress,
  type RunKind,
  type RunLogKind,
  sharedAddress,
  type WorkQueueKey,
} from '@penstock/protocol';

/** A request that is to become a run. */
export interface RunRequest {
  readonly id: string;
  readonly kind: RunKind;
  /** What the API needs to show a run of this kind: JSON, or empty. Holds prompts: never logged. */
  readonly detail: string;
  readonly log?: RunLogKind;
  readonly hasClaim?: boolean;
  /** See {@link NewRun.labels}. */
  readonly labels?: Readonly<Record<string, string>>;
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

/** A run that is to be queued. */
export type QueuedRun = NewRun & { readonly address: QueueAddress };

export function newRun({ queue, ...request }: RunRequest): QueuedRun {
  return { ...request, slug: queue.slug, address: sharedAddress(queue, request.id) };
}

/** Where a run is queued. @throws TypeError for a run that was answered before it was stored. */
export function addressOf({ id, address }: Pick<NewRun, 'id' | 'address'>): QueueAddress {
  if (address === null) throw new TypeError(`run ${id} has no place in the queue`);
  return address;
}
