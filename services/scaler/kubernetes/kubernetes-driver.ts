/**
 * Scales Deployments by their scale subresource, and touches nothing else of them. A worker that drains is not ready, and of a Deployment that
 * shrinks pods that are not ready go first: so those go that were drained, and no right to change pods is needed.
 */
import { z } from 'zod';
import type { Driver, Order } from '../drivers/driver.ts';
import type { ClusterApi } from './cluster-api.ts';

export interface KubernetesPool {
  readonly name: string;
  /** Name of its Deployment. */
  readonly workload: string;
}

const scale = z.object({
  spec: z.object({ replicas: z.number().int().min(0).default(0) }).default({ replicas: 0 }),
});

export class KubernetesDriver implements Driver {
  readonly #api: Pick<ClusterApi, 'call'>;
  readonly #pools: readonly KubernetesPool[];

  constructor(api: Pick<ClusterApi, 'call'>, pools: readonly KubernetesPool[]) {
    this.#api = api;
    this.#pools = pools;
  }

  async look(): Promise<ReadonlyMap<string, number>> {
    const counts = this.#pools.map(async ({ name, workload }) => {
      const answer = await this.#api.call('GET', 'apps/v1', pathOf(workload));
      return [name, scale.parse(answer).spec.replicas] as const;
    });
    return new Map(await Promise.all(counts));
  }

  async order({ pool, workers }: Order): Promise<void> {
    const workload = this.#pools.find(({ name }) => name === pool)?.workload;
    if (workload === undefined) throw new Error(`there is no pool ${pool}`);
    await this.#api.call('PATCH', 'apps/v1', pathOf(workload), { spec: { replicas: workers } });
  }

  async close(): Promise<void> {}
}

function pathOf(workload: string): string {
  return `deployments/${encodeURIComponent(workload)}/scale`;
}
