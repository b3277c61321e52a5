/** The kinds of processes, each of which may do at NATS and Redis what its work needs and no more. */

export const ROLES = ['ingress', 'worker', 'tasks', 'scaler', 'console', 'operator'] as const;
/** `operator`: whoever runs commands beside the services, such as `npm run dlq`. */
export type Role = (typeof ROLES)[number];

/** Whom a user stands for. */
export interface Member {
  readonly role: Role;
  /** Of the user; the beginning of where it is answered. */
  readonly user: string;
  readonly region: string;
  readonly shards: number;
  /** The worker that alone is this user; null where all workers share it, and may then hear each other's deliveries. */
  readonly worker: string | null;
}
