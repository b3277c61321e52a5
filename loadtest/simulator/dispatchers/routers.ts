/** Dispatchers that decide at once which worker a request goes to, as routers do. The yardsticks. */
import { BLOCK_TOKENS, type TraceRequest } from '../../workloads/trace.ts';
import type { Dispatcher, DispatcherFactory, SimulatedFleet } from './dispatcher.ts';

type Choose = (request: TraceRequest) => number;

const pushing =
  (make: (fleet: SimulatedFleet) => Choose): DispatcherFactory =>
  fleet => {
    const choose = make(fleet);
    return { arrive: (request, index) => void fleet.send(request, index, choose(request)) };
  };

const alive = (fleet: SimulatedFleet): number[] =>
  fleet.engines.filter(engine => !engine.dead).map(engine => engine.worker);

const loadOf = (fleet: SimulatedFleet, worker: number): number => fleet.engines[worker]?.inFlight ?? 0;

function least(workers: readonly number[], cost: (worker: number) => number): number {
  let best = workers[0] ?? 0;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const worker of workers) {
    const own = cost(worker);
    if (own >= bestCost) continue;
    best = worker;
    bestCost = own;
  }
  return best;
}

export const roundRobin = pushing(fleet => {
  let turn = 0;
  return () => {
    const workers = alive(fleet);
    return workers[turn++ % workers.length] ?? 0;
  };
});

export const random = pushing(fleet => () => {
  const workers = alive(fleet);
  return workers[Math.floor(fleet.random() * workers.length)] ?? 0;
});

/** The one of two random workers that has fewer requests. */
export const powerOfTwo = pushing(fleet => () => {
  const workers = alive(fleet);
  const draw = () => workers[Math.floor(fleet.random() * workers.length)] ?? 0;
  return least([draw(), draw()], worker => loadOf(fleet, worker));
});

/** The worker with the fewest requests as of the last scrape. */
export const leastRequests = (staleMs: number): DispatcherFactory =>
  pushing(fleet => {
    let seen = new Map<number, number>();
    let seenAt = Number.NEGATIVE_INFINITY;
    return () => {
      if (fleet.agenda.now - seenAt >= staleMs) {
        seenAt = fleet.agenda.now;
        seen = new Map(alive(fleet).map(worker => [worker, loadOf(fleet, worker)]));
      }
      const workers = alive(fleet);
      const from = Math.floor(fleet.random() * workers.length);
      const turned = [...workers.slice(from), ...workers.slice(0, from)];
      return least(turned, worker => seen.get(worker) ?? 0);
    };
  });

/** SGLang's defaults (sgl-model-gateway, policies/cache_aware.rs). */
const CACHE_AWARE = { matchAbove: 0.3, imbalance: 64, imbalanceRatio: 1.5 };

/** SGLang's cache_aware: the longest known prefix if it is long enough, the fewest requests otherwise or when uneven. */
export const cacheAware = pushing(fleet => {
  const owners = new Map<number, number>();
  return request => {
    const workers = alive(fleet);
    const loads = workers.map(worker => loadOf(fleet, worker));
    const [min, max] = [Math.min(...loads), Math.max(...loads)];
    const uneven = max - min > CACHE_AWARE.imbalance && max > min * CACHE_AWARE.imbalanceRatio;
    const known = request.blocks.findIndex(block => !owners.has(block));
    const matched = known < 0 ? request.blocks.length : known;
    const owner = owners.get(request.blocks[matched - 1] ?? -1);
    const share = (matched * BLOCK_TOKENS) / Math.max(1, request.inputTokens);
    const follows =
      !uneven && share > CACHE_AWARE.matchAbove && owner !== undefined && workers.includes(owner);
    const worker = follows ? owner : least(workers, each => loadOf(fleet, each));
    for (const block of request.blocks) owners.set(block, worker);
    return worker;
  };
});

/** Knows every queue, length and cache: the soonest first token there can be for this request, taken alone. */
export const oracle = pushing(
  fleet => request =>
    least(alive(fleet), worker => {
      const engine = fleet.engines[worker];
      return engine === undefined ? 0 : engine.foreseeMs(request);
    }),
);

/** Workers with a free slot take the next request in turn, first come first served (NVIDIA Cloud Functions' rules). */
export const plainPull: DispatcherFactory = fleet => {
  const queue: { request: TraceRequest; index: number }[] = [];
  let turn = 0;
  const serve = () => {
    while (queue.length > 0) {
      const workers = alive(fleet).filter(worker => loadOf(fleet, worker) < fleet.slots);
      const next = workers.length === 0 ? undefined : queue.shift();
      if (next === undefined) return;
      fleet.send(next.request, next.index, workers[turn++ % workers.length] ?? 0);
    }
  };
  const dispatcher: Dispatcher = {
    arrive: (request, index) => {
      queue.push({ request, index });
      serve();
    },
    finished: serve,
    lost: serve,
  };
  return dispatcher;
};
