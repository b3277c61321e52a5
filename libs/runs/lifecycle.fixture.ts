/** Runs over adapters in memory, on a clock that the test moves. */
import type { AttemptKey, NewRun, StoredRun, WorkMeta } from '@penstock/protocol';
import { ClaimCheck } from '@penstock/transport';
import { MemoryRequestBodies, MemoryRunStore, MemoryWorkQueue } from '@penstock/transport/memory';
import {
  addressOf,
  DoneChannel,
  newRun,
  type QueuedRun,
  RunAcceptance,
  RunAttempts,
  RunCanceller,
  RunExpiry,
  RunFinder,
  type RunRequest,
} from './index.ts';

export const ttl = { recordMs: 1000, logMs: 100 };
export const queueKey = { region: 'local', shard: 0, slug: 'm', lane: 'background', size: 'any' } as const;
export const work = {
  ...({ from: 'in-1', lane: 'background', size: 'any', stream: false } as const),
  ...{ promptTokens: 5, maxTokens: null, fleetRate: 0, body: Buffer.from('{}') },
};

export function aRun(change: Partial<RunRequest> = {}): QueuedRun {
  const about = { id: 'r1', kind: 'job', detail: '', log: 'none', tenant: 't', endpoint: 'chat' } as const;
  return newRun({ ...about, model: 'm', queue: queueKey, createdAt: 0, deadlineAt: 10_000, ...change });
}

/** Of its message. */
function metaOf({
  id,
  endpoint,
  model,
  slug,
  createdAt: acceptedAt,
  deadlineAt,
  log = 'none',
}: NewRun): WorkMeta {
  const { body: _body, ...rest } = work;
  const own = { v: 1, stored: true, ask: false, attemptBase: 0, held: {} } as const;
  return { ...rest, ...own, id, endpoint, model, slug, acceptedAt, deadlineAt, log };
}

export const LIMITS = { maxMessages: 100, maxBytes: 1e6 };

export async function world() {
  const state = { now: 0, storeNow: 0 };
  const clock = { now: () => state.now, monotonic: () => state.now };
  const store = new MemoryRunStore({ now: () => state.storeNow });
  const queue = new MemoryWorkQueue(clock);
  for (const shard of [0, 1]) await queue.ensureWorkStream('local', shard, LIMITS);
  const done = new DoneChannel(queue, 'local');
  const bodies = new MemoryRequestBodies(clock);
  const claims = new ClaimCheck(bodies, 100);
  const wires = { store, queue, done, ttl, clock, claims, region: 'local' };
  const expiry = new RunExpiry(wires);
  const finder = new RunFinder(store, expiry);
  const attempts = new RunAttempts({ ...wires, expiry });
  return {
    ...{ store, queue, bodies, claims, state, wires, expiry, finder },
    acceptance: new RunAcceptance({ ...wires, finder, limitsOf: () => null }),
    attempts,
    begin: (run: QueuedRun | StoredRun, attempt: AttemptKey, worker: string) =>
      attempts.begin(metaOf(run), addressOf(run), attempt, worker),
    canceller: new RunCanceller(wires),
    statusOf: async (id: string) => (await store.read(id))?.status,
    listed: () => store.completions.page('t', 'asc', null, 10),
    /** What was sent to workers, and which runs were announced as final. */
    sent: () => queue.sent.items.map(({ address, payload }) => `${address.kind} ${Buffer.from(payload)}`),
  };
}

export const key = { key: 'k', digest: 'd' };
