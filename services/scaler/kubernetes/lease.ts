/**
 * A hold that is a Lease, as other controllers of Kubernetes have it. Whoever wants it waits for as long as its record has not changed, so that no
 * clocks are compared.
 */
import type { LeaderHold } from '@penstock/fleet/leadership';
import type { Clock, Logger } from '@penstock/runtime';
import { z } from 'zod';
import { type ClusterApi, ClusterError } from './cluster-api.ts';

const HOLD_S = 15;
/** A holder stops so long before its hold is over, ms. */
const MARGIN_MS = 5000;
const GROUP = 'coordination.k8s.io/v1';

const lease = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      renewTime: z.string().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .default({}),
});
type Lease = z.infer<typeof lease>;

export interface LeaseOptions {
  readonly api: Pick<ClusterApi, 'call'>;
  /** Of the Lease. */
  readonly name: string;
  /** Of this process, unlike any other's. */
  readonly identity: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Logger, 'warn'>;
}

export class KubernetesLease implements LeaderHold {
  readonly renewMs = 2000;
  readonly lastsMs = 1000 * HOLD_S - MARGIN_MS;
  readonly #o: LeaseOptions;
  /** What is known of another's hold, and since when it has not changed, monotonic ms. */
  #other: { readonly version: string; readonly since: number } | null = null;

  constructor(options: LeaseOptions) {
    this.#o = options;
  }

  get name(): string {
    return this.#o.name;
  }

  async take(askedAt: number): Promise<boolean> {
    try {
      return await this.#take(askedAt);
    } catch (err) {
      // Another was faster.
      if (err instanceof ClusterError && err.status === 409) return false;
      this.#o.log.warn({ name: this.name, err }, 'the lease could not be renewed; trying again');
      throw err;
    }
  }

  async #take(now: number): Promise<boolean> {
    const known = await this.#read();
    if (known === null) {
      await this.#o.api.call('POST', GROUP, 'leases', this.#record(null));
      return true;
    }
    const { holderIdentity: holder } = known.spec;
    const isFree = holder === undefined || holder === null || holder === '' || holder === this.#o.identity;
    if (!isFree && !this.#isOver(known, now)) return false;
    await this.#o.api.call('PUT', GROUP, `leases/${this.name}`, this.#record(known));
    return true;
  }

  async #read(): Promise<Lease | null> {
    try {
      return lease.parse(await this.#o.api.call('GET', GROUP, `leases/${this.name}`));
    } catch (err) {
      if (err instanceof ClusterError && err.status === 404) return null;
      throw err;
    }
  }

  #isOver({ metadata, spec }: Lease, now: number): boolean {
    if (this.#other?.version !== metadata.resourceVersion)
      this.#other = { version: metadata.resourceVersion, since: now };
    return now - this.#other.since > 1000 * (spec.leaseDurationSeconds ?? HOLD_S);
  }

  #record(known: Lease | null, holder = { holderIdentity: this.#o.identity, leaseDurationSeconds: HOLD_S }) {
    const { name, identity, clock } = this.#o;
    const isAnothers = known !== null && known.spec.holderIdentity !== identity;
    return {
      ...{ apiVersion: GROUP, kind: 'Lease' },
      // Whoever read an older one is refused.
      metadata: { name, ...(known === null ? {} : { resourceVersion: known.metadata.resourceVersion }) },
      spec: {
        ...holder,
        // Microseconds, as the API has them.
        renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z'),
        leaseTransitions: (known?.spec.leaseTransitions ?? 0) + (isAnothers ? 1 : 0),
      },
    };
  }

  async letGo(): Promise<void> {
    const known = await this.#read();
    if (known?.spec.holderIdentity !== this.#o.identity) return;
    const nobody = { holderIdentity: '', leaseDurationSeconds: 1 };
    await this.#o.api.call('PUT', GROUP, `leases/${this.name}`, this.#record(known, nobody));
  }
}
