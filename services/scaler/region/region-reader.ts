/** What is known of the pools and of what waits for their models: from heartbeats, and from the broker's own counts. */
import type { Fleet, Member } from '@penstock/fleet';
import type { GroupSeen, LaneSeen, PoolRules } from '@penstock/policy';
import { LANES, type Lane } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { SurveyedQueue } from '@penstock/transport';
import type { QueueWatch } from './queue-watch.ts';

/** One worker of a pool, as it says. */
export interface PoolWorker {
  readonly name: string;
  /** With its incarnation: another one for each process. */
  readonly process: string;
  readonly isReady: boolean;
  /** By an operator, or by a scaler. */
  readonly isDrained: boolean;
  readonly running: number;
  readonly interactive: number;
  readonly begun: number | null;
  readonly outputTokens: number;
  /** Prompt tokens put into its cache: those who got more are warmer. */
  readonly cacheTokens: number;
}

export interface RegionReaderOptions {
  readonly fleet: Pick<Fleet, 'members' | 'nameOf'>;
  readonly queues: Pick<QueueWatch, 'queues' | 'ageS'>;
  /** Whether heartbeats can reach this process now, and all who are there must have been heard. */
  readonly hears: () => boolean;
  readonly clock: Clock;
}

export class RegionReader {
  readonly #o: RegionReaderOptions;

  constructor(options: RegionReaderOptions) {
    this.#o = options;
  }

  /** Age of what is known, s. Infinite where nothing is. */
  get ageS(): number {
    return this.#o.hears() ? this.#o.queues.ageS : Number.POSITIVE_INFINITY;
  }

  /** Workers by pool. A worker that names no pool is of the first one that has its models. */
  workers(pools: readonly PoolRules[]): Map<string, PoolWorker[]> {
    const found = new Map(pools.map(({ name }) => [name, [] as PoolWorker[]]));
    for (const member of this.#o.fleet.members()) {
      if (member.lost) continue;
      const models = new Set(member.heartbeat.models.map(({ name }) => name));
      const pool =
        member.heartbeat.pool ?? pools.find(each => each.models.some(model => models.has(model)))?.name;
      if (pool !== undefined) found.get(pool)?.push(workerOf(member));
    }
    return found;
  }

  lanes(models: readonly string[]): GroupSeen['lanes'] {
    const { fleet, queues } = this.#o;
    const wanted = new Set(models);
    const own = queues.queues.filter(({ slug }) => wanted.has(fleet.nameOf(slug) ?? ''));
    return Object.fromEntries(LANES.map(lane => [lane, this.#lane(own, lane)])) as Record<Lane, LaneSeen>;
  }

  #lane(queues: readonly SurveyedQueue[], lane: Lane): LaneSeen {
    const own = queues.filter(queue => queue.lane === lane);
    const times = own.flatMap(({ oldestAt }) => oldestAt ?? []);
    const oldestS = times.length === 0 ? 0 : (this.#o.clock.now() - Math.min(...times)) / 1000;
    return { waiting: own.reduce((sum, { waiting }) => sum + waiting, 0), oldestS: Math.max(0, oldestS) };
  }
}

function workerOf({ worker: name, heartbeat }: Readonly<Member>): PoolWorker {
  const { report, incarnation, pulling, cacheTokens } = heartbeat;
  return {
    ...{ name, process: `${name} ${incarnation}`, isReady: pulling && heartbeat.models.length > 0 },
    isDrained: report?.resting === 'drained',
    running: report?.running ?? 0,
    // A version that does not tell lanes apart is believed to run interactive work alone.
    interactive: report?.interactive?.running ?? report?.running ?? 0,
    begun: report?.interactive?.begun ?? null,
    ...{ outputTokens: report?.outputTokens ?? 0, cacheTokens },
  };
}
