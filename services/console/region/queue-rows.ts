/** The queues of a region as rows: what the broker and the ingress nodes say of them, and who serves them. */

import type { Member } from '@penstock/fleet';
import { LOST_AFTER_MS } from '@penstock/policy';
import { LANES, type Lane, type WaitingRequests } from '@penstock/protocol';
import type { QueueRow, QueueState } from '../shared/region-state.ts';
import type { Depth } from './queue-depths.ts';

export type QueueName = Pick<QueueRow, 'isEndpointQueue' | 'model'>;

export interface QueueSources {
  readonly depths: readonly Depth[];
  readonly waiting: readonly WaitingRequests[];
  readonly members: readonly Readonly<Member>[];
  /** By slug, as far as workers tell. */
  readonly names: ReadonlyMap<string, QueueName>;
  readonly targetS: number;
  /** Unix ms; monotonic ms. */
  readonly now: number;
  readonly monotonic: number;
}

interface Serving {
  readonly workers: number;
  readonly ready: number;
  readonly slots: number;
  readonly free: number;
}

const NOBODY: Serving = { workers: 0, ready: 0, slots: 0, free: 0 };

/** The interactive lane of every model that a worker serves, and every other queue in which something waits. */
export function queueRows(sources: QueueSources): Record<string, QueueRow> {
  const { depths, waiting, names, members, monotonic } = sources;
  const serving = servingBySlug(members, monotonic);
  const depthOf = new Map(depths.map(depth => [`${depth.slug} ${depth.lane}`, depth]));
  const slugs = new Set([...serving.keys(), ...depths.map(row => row.slug), ...waiting.map(row => row.slug)]);
  const rows: [string, QueueRow][] = [];
  for (const slug of [...slugs].sort())
    for (const lane of LANES) {
      const mine = waiting.filter(row => row.slug === slug && row.lane === lane);
      const depth = depthOf.get(`${slug} ${lane}`);
      const { queued, oldestS } = whatWaits(mine, depth, sources.now);
      const name = names.get(slug) ?? { model: slug };
      const isShownIdle = lane === 'interactive' && serving.has(slug) && !name.isEndpointQueue;
      if (queued === 0 && !isShownIdle) continue;
      const served = serving.get(slug) ?? NOBODY;
      const state = stateOf(lane, queued, oldestS, served, sources.targetS);
      rows.push([`${slug} ${lane}`, { state, ...name, lane, queued, oldestS, ...served }]);
    }
  return Object.fromEntries(rows);
}

/**
 * The broker counts every queue, also what nobody waits for any more; a request that is bound to one worker, or that waits for another attempt, is known
 * to its ingress alone. Both count most of the same requests, a moment apart.
 */
function whatWaits(waiting: readonly WaitingRequests[], depth: Depth | undefined, now: number) {
  const atIngress = waiting.reduce((sum, row) => sum + row.requests, 0);
  const queued = Math.max(depth?.pending ?? 0, atIngress);
  const oldestMs = Math.max(
    ...[0, depth?.oldestAt == null ? 0 : now - depth.oldestAt, ...waiting.map(row => row.oldestMs)],
  );
  return { queued, oldestS: queued === 0 ? 0 : Number((oldestMs / 1000).toPrecision(2)) };
}

function servingBySlug(members: readonly Readonly<Member>[], monotonic: number): Map<string, Serving> {
  const bySlug = new Map<string, Serving>();
  for (const { slugs, heartbeat, seenAt } of members) {
    const isReady = heartbeat.pulling && monotonic - seenAt <= LOST_AFTER_MS;
    const { slots, report } = heartbeat;
    for (const slug of slugs) {
      const { workers, ...before } = bySlug.get(slug) ?? NOBODY;
      bySlug.set(slug, {
        workers: workers + 1,
        ready: before.ready + (isReady ? 1 : 0),
        slots: before.slots + (isReady ? slots : 0),
        free: before.free + (isReady ? Math.max(0, slots - (report?.running ?? 0)) : 0),
      });
    }
  }
  return bySlug;
}

/** The lower lanes wait for idle capacity, so they are not late. */
function stateOf(
  lane: Lane,
  queued: number,
  oldestS: number,
  { ready, free, slots }: Serving,
  targetS: number,
): QueueState {
  if (queued === 0) return free < slots ? 'active' : 'idle';
  if (ready === 0) return 'no_worker';
  if (lane === 'interactive' && oldestS > targetS) return 'late';
  return free === 0 ? 'full' : 'waiting';
}
