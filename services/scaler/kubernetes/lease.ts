/**
 * One of several scalers decides: the holder of a Lease, as other controllers of Kubernetes do it. A holder that cannot renew stops before another
 * may begin, by its own monotonic clock; whoever wants the lease waits for as long as its record has not changed, so that no clocks are compared.
 */
import type { Clock, Logger } from '@penstock/runtime';
import { z } from 'zod';
import { type ClusterApi, ClusterError } from './cluster-api.ts';

const RENEW_MS = 2000;
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
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class KubernetesLease {
  readonly #o: LeaseOptions;
  #until = Number.NEGATIVE_INFINITY;
  /** What is known of another's hold, and since when it has not changed, monotonic ms. */
  #other: { readonly version: string; readonly since: number } | null = null;
  #led = false;
  #isAsking = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LeaseOptions) {
    this.#o = options;
  }

  get isLeader(): boolean {
    return this.#o.clock.monotonic() < this.#until;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.campaign(), RENEW_MS);
    await this.campaign();
  }

  /** Never rejects. */
  async campaign(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { clock, log, name } = this.#o;
    const askedAt = clock.monotonic();
    try {
      this.#until = (await this.#take(askedAt))
        ? askedAt + 1000 * HOLD_S - MARGIN_MS
        : Number.NEGATIVE_INFINITY;
    } catch (err) {
      // 409: another was faster. Whatever else it is, a hold that was had lasts until it is over.
      if (err instanceof ClusterError && err.status === 409) this.#until = Number.NEGATIVE_INFINITY;
      else log.warn({ name, err }, 'the lease could not be renewed; trying again');
    } finally {
      this.#isAsking = false;
    }
    const leads = this.isLeader;
    if (leads !== this.#led)
      log[leads ? 'info' : 'warn']({ name }, leads ? 'leads from now on' : 'leads no more');
    this.#led = leads;
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
    await this.#o.api.call('PUT', GROUP, `leases/${this.#o.name}`, this.#record(known));
    return true;
  }

  async #read(): Promise<Lease | null> {
    try {
      return lease.parse(await this.#o.api.call('GET', GROUP, `leases/${this.#o.name}`));
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

  #record(known: Lease | null): object {
    const { name, identity, clock } = this.#o;
    const isAnothers = known !== null && known.spec.holderIdentity !== identity;
    return {
      ...{ apiVersion: GROUP, kind: 'Lease' },
      // Whoever read an older one is refused.
      metadata: { name, ...(known === null ? {} : { resourceVersion: known.metadata.resourceVersion }) },
      spec: {
        ...{ holderIdentity: identity, leaseDurationSeconds: HOLD_S },
        // Microseconds, as the API has them.
        renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z'),
        leaseTransitions: (known?.spec.leaseTransitions ?? 0) + (isAnothers ? 1 : 0),
      },
    };
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    const led = this.isLeader;
    this.#until = Number.NEGATIVE_INFINITY;
    if (!led) return;
    try {
      const known = await this.#read();
      if (known?.spec.holderIdentity !== this.#o.identity) return;
      const free = this.#record(known) as { spec: object };
      await this.#o.api.call('PUT', GROUP, `leases/${this.#o.name}`, {
        ...free,
        spec: { ...free.spec, holderIdentity: '', leaseDurationSeconds: 1 },
      });
    } catch {
      // It is over by itself in a moment.
    }
  }
}
