/** A worker process: the product's own parts on simulated wires. */
import { DEFAULT_BOUNDARIES } from '@penstock/policy';
import { DoneChannel, RunAttempts, RunExpiry } from '@penstock/runs';
import { ByteBudget, DroppedMessages, type Logger } from '@penstock/runtime';
import { ClaimCheck, GivenSeals } from '@penstock/transport';
import { MemoryRequestBodies } from '@penstock/transport/memory';
import { BodyLoader } from '../../../../services/worker/attempts/body-loader.ts';
import { Continuing } from '../../../../services/worker/attempts/continuing.ts';
import { StoredRuns } from '../../../../services/worker/stored/stored-runs.ts';
import { Worker } from '../../../../services/worker/worker.ts';
import { type Servers, Wires } from '../servers/ports.ts';
import { Proc } from '../world/virtual-time.ts';
import type { SimulatedEngine } from './engine.ts';
import { LEASE_MS, REGION, TTL } from './settings.ts';

export interface WorkerProcess {
  readonly name: string;
  readonly proc: Proc;
  readonly wires: Wires;
  readonly worker: Worker;
  readonly stored: StoredRuns;
}

export interface WorkerTraits {
  readonly name: string;
  readonly slots: number;
  /** Whether its engine goes on with what another began. */
  readonly continues: boolean;
}

/** @param incarnation different for each process of a name. */
export function startWorker(
  servers: Servers,
  { name, slots, continues }: WorkerTraits,
  incarnation: string,
  engine: SimulatedEngine,
  log: Logger,
): WorkerProcess {
  const { time, redis } = servers;
  const proc = new Proc(name);
  const { clock } = time;
  const before = time.current;
  time.current = proc;
  const wires = new Wires(servers, proc);
  const { queue, bus, runs: store, runLog } = wires;
  const bodies = new MemoryRequestBodies(clock);
  const claims = new ClaimCheck(bodies, Number.POSITIVE_INFINITY);
  const life = { claims, store, clock, done: new DoneChannel(queue, REGION), ttl: TTL };
  const own = engine.forWorker(proc);
  const continuing = new Continuing({ engine: own, configured: () => continues, log });
  const stored = new StoredRuns({
    seals: new GivenSeals(null),
    ...{ store, bodies, claims, continuing, queue, clock, worker: name, ackWaitMs: LEASE_MS },
    ...{ log: runLog, logger: log, attempts: new RunAttempts({ ...life, expiry: new RunExpiry(life) }) },
  });
  const worker = new Worker({
    ...{ id: name, incarnation, region: REGION, shard: 0, slots, architecture: null, listEveryMs: 10_000 },
    ...{ serves: () => true, mostModels: 64 },
    ...{
      ackWaitMs: LEASE_MS,
      boundaries: DEFAULT_BOUNDARIES,
      tickMs: 10,
      queue,
      bus,
      models: redis.registry,
    },
    ...{
      continuing,
      stored,
      seals: new GivenSeals(null),
      observers: [],
      tracing: null,
      clock,
      log,
      engine: own,
      dropped: new DroppedMessages(),
    },
    limitsOf: () => ({ firstTokenMs: 20_000, betweenTokensMs: 20_000 }),
    bodies: new BodyLoader(bodies, new ByteBudget(1e9)),
  });
  worker.start();
  time.current = before;
  return { name, proc, wires, worker, stored };
}
