/** What the ingress nodes of a region tell of themselves, and how fast it changes. */
import { FORGOTTEN_AFTER_MS, LOST_AFTER_MS } from '@penstock/policy';
import type { IngressStatus, WaitingRequests } from '@penstock/protocol';
import type { Clock } from '@penstock/runtime';
import type { IngressRow } from '../shared/region-state.ts';
import { type Counts, GrowingCounts } from './growing-counts.ts';
import { Latencies, type LatencyCounts } from './latencies.ts';

/** Rates are taken over no less than this, ms: two messages that come together say nothing of a rate. */
const LEAST_STRETCH_MS = 500;
/** Ends that are the region's fault or a failure: each counts as a request without a first token in time. */
const FAILED = ['attempts_spent', 'deadline', 'model_left'];

/** Far more than a region has, so that no number of made-up names takes all memory. */
const MOST_NODES = 1024;

interface Node {
  readonly status: IngressStatus;
  /** Monotonic ms. */
  readonly seenAt: number;
  readonly base: { readonly at: number; readonly arrivals: number; readonly done: number };
  readonly arrivalsPerS: number;
  readonly servedPerS: number;
}

/** What all nodes have counted since this process listens. */
export interface NodeCounts {
  readonly ttft: LatencyCounts;
  readonly queueWait: LatencyCounts;
  readonly failed: number;
  readonly traffic: Readonly<Record<TrafficCount, Counts>>;
}

/** Fields of a status that the page Traffic is made of. */
const TRAFFIC = ['placements', 'promptTokens', 'expectedTokens', 'cachedTokens'] as const;
type TrafficCount = (typeof TRAFFIC)[number];

export class IngressNodes {
  readonly #clock: Clock;
  readonly #nodes = new Map<string, Node>();
  readonly #ttft = new Latencies();
  readonly #queueWait = new Latencies();
  #failed = 0;
  readonly #traffic = ofTraffic(() => new GrowingCounts());

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns whether there was room for it: a region has no more than {@link MOST_NODES}. */
  hear(status: IngressStatus): boolean {
    const known = this.#nodes.get(status.ingress);
    if (known === undefined && this.#nodes.size >= MOST_NODES) return false;
    const isSame = known?.status.incarnation === status.incarnation;
    this.#count(known?.status, status, isSame);
    if (status.leaving) {
      if (isSame || known === undefined) this.#nodes.delete(status.ingress);
      return true;
    }
    this.#nodes.set(status.ingress, this.#next(isSame ? known : undefined, status));
    return true;
  }

  /** A node that is met for the first time has counted before; one that was started again while it was known has not. */
  #count(before: IngressStatus | undefined, after: IngressStatus, isSame: boolean): void {
    if (before === undefined) {
      this.#ttft.add(after.ttft, after.ttft);
      this.#queueWait.add(after.queueWait, after.queueWait);
      return;
    }
    this.#ttft.add(isSame ? before.ttft : null, after.ttft);
    this.#queueWait.add(isSame ? before.queueWait : null, after.queueWait);
    this.#failed += Math.max(0, failedIn(after) - (isSame ? failedIn(before) : 0));
    for (const name of TRAFFIC) this.#traffic[name].add(isSame ? before[name] : null, after[name]);
  }

  #next(known: Node | undefined, status: IngressStatus): Node {
    const now = this.#clock.monotonic();
    const { arrivals } = status;
    const done = status.finished['done'] ?? 0;
    const base = { at: now, arrivals, done };
    if (known === undefined) return { status, seenAt: now, base, arrivalsPerS: 0, servedPerS: 0 };
    const s = (now - known.base.at) / 1000;
    if (1000 * s < LEAST_STRETCH_MS) return { ...known, status, seenAt: now };
    const arrivalsPerS = Math.max(0, arrivals - known.base.arrivals) / s;
    const servedPerS = Math.max(0, done - known.base.done) / s;
    return { status, seenAt: now, base, arrivalsPerS, servedPerS };
  }

  /** Once a second, or more often. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [name, { seenAt }] of this.#nodes)
      if (now - seenAt > FORGOTTEN_AFTER_MS) this.#nodes.delete(name);
  }

  get counts(): NodeCounts {
    const traffic = ofTraffic(name => this.#traffic[name].read());
    return { ttft: this.#ttft.read(), queueWait: this.#queueWait.read(), failed: this.#failed, traffic };
  }

  rows(): Record<string, IngressRow> {
    const now = this.#clock.monotonic();
    return Object.fromEntries(
      [...this.#nodes].map(([name, { status, seenAt }]) => {
        const { open, arrivals, finished, ttft } = status;
        const silentMs = now - seenAt;
        const row: IngressRow = {
          ...{ state: silentMs > LOST_AFTER_MS ? 'silent' : 'up', open, arrivals, finished },
          ...(silentMs > LOST_AFTER_MS ? { silentS: Math.round(silentMs / 1000) } : {}),
          firstTokens: ttft.counts.at(-1) ?? 0,
        };
        return [name, row];
      }),
    );
  }

  /** Of the nodes that are heard. */
  totals(): { readonly open: number; readonly arrivalsPerS: number; readonly servedPerS: number } {
    const heard = this.#heard();
    const sum = (of: (node: Node) => number) => heard.reduce((total, node) => total + of(node), 0);
    return {
      open: sum(node => node.status.open),
      arrivalsPerS: sum(node => node.arrivalsPerS),
      servedPerS: sum(node => node.servedPerS),
    };
  }

  /** What waits at the nodes that are heard, with how long the first has been waiting by now. */
  waiting(): WaitingRequests[] {
    const now = this.#clock.monotonic();
    return this.#heard().flatMap(({ status, seenAt }) =>
      status.waiting.map(row => ({ ...row, oldestMs: row.oldestMs + now - seenAt })),
    );
  }

  #heard(): Node[] {
    const now = this.#clock.monotonic();
    return [...this.#nodes.values()].filter(({ seenAt }) => now - seenAt <= LOST_AFTER_MS);
  }
}

function ofTraffic<T>(of: (name: TrafficCount) => T): Record<TrafficCount, T> {
  return Object.fromEntries(TRAFFIC.map(name => [name, of(name)])) as Record<TrafficCount, T>;
}

function failedIn({ finished }: IngressStatus): number {
  return FAILED.reduce((sum, outcome) => sum + (finished[outcome] ?? 0), 0);
}
