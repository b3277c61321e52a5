/** What is known of a region, put together: heartbeats of workers, statuses of ingress nodes, depths of queues. */
import type { Fleet, Member } from '@penstock/fleet';
import { LOST_AFTER_MS } from '@penstock/policy';
import { type ModelInfo, placementWords, queuesOf } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import { incidentOf } from '../shared/incident.ts';
import { shareUnchanged } from '../shared/merge-patch.ts';
import type { QueueRow, RegionState, Totals, Traffic, WorkerRow } from '../shared/region-state.ts';
import { growth } from './growing-counts.ts';
import { History, TILE_WINDOW_S } from './history.ts';
import type { IngressNodes, NodeCounts } from './ingress-nodes.ts';
import { countBetween, countWithin, quantileBetween } from './latencies.ts';
import type { QueueDepths } from './queue-depths.ts';
import { type QueueName, queueRows } from './queue-rows.ts';
import { WorkerRows } from './worker-rows.ts';

export interface RegionViewOptions {
  readonly region: string;
  readonly fleet: Pick<Fleet, 'members' | 'sweep'>;
  readonly nodes: IngressNodes;
  readonly depths: Pick<QueueDepths, 'read'>;
  /** Whether this process hears the region. */
  readonly connected: () => boolean;
  readonly targetTtftMs: number;
  /** Of a worker, an hour, by the slug of its first model; undefined where none is configured. */
  readonly priceOf: (slug: string) => number | undefined;
  readonly clock: Clock;
}

const LISTENING = {
  severity: 'ok',
  text: 'Listening to the region: its workers and ingress nodes tell of themselves once a second.',
} as const;

export class RegionView {
  readonly #o: RegionViewOptions;
  readonly #workers: WorkerRows;
  readonly history = new History();
  readonly #startedAt: number;
  #state: RegionState | undefined;

  constructor(options: RegionViewOptions) {
    this.#o = options;
    this.#workers = new WorkerRows(options.clock);
    this.#startedAt = options.clock.monotonic();
  }

  /** Rows that have not changed since the last look are the same objects. */
  look(): RegionState {
    const { region, fleet, nodes, connected, targetTtftMs, clock } = this.#o;
    const members = [...fleet.members()];
    const workers = this.#workers.rows(members);
    const queues = this.#queues(members);
    const counts = nodes.counts;
    const state = {
      ...{ region, at: clock.now(), broker: connected() ? ('up' as const) : ('down' as const) },
      targetTtftS: targetTtftMs / 1000,
      totals: { ...this.#totals(workers, queues), ...this.#lastMinute(counts), ...this.#cost(members) },
      traffic: this.#traffic(counts),
      ...{ ingress: nodes.rows(), workers, queues },
    };
    const incident = this.#hasHeardAll ? incidentOf(state) : LISTENING;
    this.#state = shareUnchanged(this.#state, { ...state, incident });
    return this.#state;
  }

  /** Whoever is there tells of itself once a second; before that, that nobody is heard means nothing. */
  get #hasHeardAll(): boolean {
    return this.#o.clock.monotonic() - this.#startedAt > LOST_AFTER_MS;
  }

  /** Once a second. */
  sample(state: RegionState): void {
    this.#o.fleet.sweep();
    this.#o.nodes.sweep();
    this.history.add(state, this.#o.nodes.counts);
  }

  #queues(members: readonly Readonly<Member>[]): Record<string, QueueRow> {
    const { nodes, depths, targetTtftMs, clock } = this.#o;
    const names = new Map(members.flatMap(({ heartbeat }) => heartbeat.models.flatMap(namesOf)));
    return queueRows({
      ...{ depths: depths.read(), waiting: nodes.waiting(), members, targetS: targetTtftMs / 1000 },
      ...{ names, now: clock.now(), monotonic: clock.monotonic() },
    });
  }

  #totals(workers: Readonly<Record<string, WorkerRow>>, queues: Readonly<Record<string, QueueRow>>): Totals {
    const heard = Object.values(workers).filter(row => row.state !== 'silent');
    const rows = Object.values(queues);
    const sum = (of: (row: WorkerRow) => number) => heard.reduce((total, row) => total + of(row), 0);
    const { open, arrivalsPerS, servedPerS } = this.#o.nodes.totals();
    return {
      ...{ open, arrivalsPerS: rounded(arrivalsPerS), servedPerS: rounded(servedPerS) },
      queued: rows.reduce((total, row) => total + row.queued, 0),
      oldestS: Math.max(0, ...rows.map(row => row.oldestS)),
      running: sum(row => row.running ?? 0),
      slots: sum(row => row.slots),
      outputPerS: sum(row => row.outputPerS ?? 0),
    };
  }

  #lastMinute(now: NodeCounts): Pick<Totals, 'inTarget' | 'ttftP50S' | 'ttftP99S'> {
    const before = this.history.countsBefore(TILE_WINDOW_S);
    if (before === undefined) return {};
    const failed = now.failed - before.failed;
    const all = countBetween(before.ttft, now.ttft) + failed;
    if (all === 0) return {};
    const quantile = (q: number) => quantileBetween(before.ttft, now.ttft, q);
    const [p50, p99] = [quantile(0.5), quantile(0.99)];
    return {
      inTarget: rounded(countWithin(before.ttft, now.ttft, this.#o.targetTtftMs / 1000) / all, 4),
      ...(p50 === null || p99 === null ? {} : { ttftP50S: rounded(p50), ttftP99S: rounded(p99) }),
    };
  }

  #traffic({ traffic: now }: NodeCounts): Traffic {
    const before = this.history.countsBefore(TILE_WINDOW_S)?.traffic ?? now;
    const placed = Object.entries(growth(before.placements, now.placements));
    const [tokens, expected, cached] = (['promptTokens', 'expectedTokens', 'cachedTokens'] as const).map(
      name => growth(before[name], now[name]),
    );
    const rows = Object.entries(tokens ?? {}).map(
      ([model, count]) =>
        [model, { tokens: count, expected: expected?.[model] ?? 0, cached: cached?.[model] ?? 0 }] as const,
    );
    return {
      placements: Object.fromEntries(placed.map(([reason, count]) => [placementWords(reason), count])),
      prompts: Object.fromEntries(rows),
    };
  }

  #cost(members: readonly Readonly<Member>[]): Pick<Totals, 'costPerHour'> {
    const { priceOf } = this.#o;
    const prices = members.flatMap(({ heartbeat, lost }) => {
      const price = lost ? undefined : priceOf(heartbeat.models[0]?.slug ?? '');
      return price === undefined ? [] : [price];
    });
    return prices.length === 0
      ? {}
      : {
          costPerHour: rounded(
            prices.reduce((a, b) => a + b),
            4,
          ),
        };
  }
}

function namesOf(model: ModelInfo): (readonly [slug: string, QueueName])[] {
  return queuesOf(model).map(slug => [
    slug,
    { model: model.name, ...(slug === model.slug ? {} : { isEndpointQueue: true }) },
  ]);
}

function rounded(value: number, digits = 3): number {
  return Number(value.toPrecision(digits));
}
