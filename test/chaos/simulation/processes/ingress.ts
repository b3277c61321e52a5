/** An ingress process: the product's own parts, from what its routes call to its wires. Left out are the HTTP server and what reads bodies. */
import { FREE_PASS } from '@penstock/access';
import { type Fleet, watchFleet } from '@penstock/fleet';
import { CALL_EVERY_MS, DEFAULT_BOUNDARIES, DOOR_LOOK_MS } from '@penstock/policy';
import type { NewRun } from '@penstock/protocol';
import {
  ConvertedCall,
  DoneChannel,
  RunAcceptance,
  RunCanceller,
  RunExpiry,
  RunFinder,
} from '@penstock/runs';
import { DroppedMessages, type Logger } from '@penstock/runtime';
import { ClaimCheck } from '@penstock/transport';
import { MemoryRequestBodies } from '@penstock/transport/memory';
import { Dispatcher } from '../../../../services/ingress/dispatch/dispatcher.ts';
import { OpenRequests } from '../../../../services/ingress/dispatch/open-requests.ts';
import { Sender } from '../../../../services/ingress/dispatch/sender.ts';
import { TokenEstimates } from '../../../../services/ingress/intake/token-estimates.ts';
import { Intake } from '../../../../services/ingress/intake/understand.ts';
import { WorkMetaWriter } from '../../../../services/ingress/intake/work-meta.ts';
import { emptyIngressMetrics } from '../../../../services/ingress/metrics.fixture.ts';
import { Affinity } from '../../../../services/ingress/placement/affinity.ts';
import { RunIntake } from '../../../../services/ingress/runs/run-intake.ts';
import { AnswerRoom } from '../../../../services/ingress/sending/answer-room.ts';
import { Admissions } from '../../../../services/ingress/shares/admissions.ts';
import { Doors } from '../../../../services/ingress/shares/doors.ts';
import { OtherNodes } from '../../../../services/ingress/shares/other-nodes.ts';
import { type Servers, Wires } from '../servers/ports.ts';
import { Proc } from '../world/virtual-time.ts';
import { HOLD_MS, LEASE_MS, REGION, TTL } from './settings.ts';

export interface IngressProcess {
  readonly name: string;
  readonly proc: Proc;
  readonly wires: Wires;
  readonly fleet: Fleet;
  readonly open: OpenRequests;
  readonly intake: Intake;
  readonly dispatcher: Dispatcher;
  readonly runIntake: RunIntake;
  readonly canceller: RunCanceller;
  readonly finder: RunFinder;
}

// They count for all, and nobody reads them.
const metrics = emptyIngressMetrics();
const dropped = new DroppedMessages();

/** @param isBound whether requests are bound to workers by their session. */
export async function startIngress(
  servers: Servers,
  name: string,
  isBound: boolean,
  log: Logger,
): Promise<IngressProcess> {
  const { time, redis } = servers;
  const proc = new Proc(name);
  const before = time.current;
  time.current = proc;
  const { clock, rand } = time;
  const wires = new Wires(servers, proc);
  const { queue, runs: store } = wires;
  const started = queue.ensureWorkStream(REGION, 0, { maxMessages: 10_000, maxBytes: 1e9 });
  const dead = queue.ensureDeadStream(REGION);
  const watching = watchFleet({
    ...{ region: REGION, shards: 1, channel: queue, registry: redis.registry, clock, rand, dropped },
    purgeBound: (...about) => queue.purgeBound(...about),
  });
  time.current = before;
  const fleet = await watching;
  await Promise.all([started, dead]);
  const affinity = new Affinity(redis.placements, fleet, metrics, () => (isBound ? 'session' : 'none'));
  const bodies = new MemoryRequestBodies(clock);
  const claims = new ClaimCheck(bodies, Number.POSITIVE_INFINITY);
  const estimates = new TokenEstimates(metrics);
  const others = new OtherNodes({ ingressId: name, region: REGION, control: queue, clock, dropped });
  // So narrow that requests wait there: two of a node are on their way at once.
  const narrow = { workersOf: () => 0, startsNow: () => 0, waitAt: (worker: string) => fleet.waitAt(worker) };
  const quoted = { waitS: () => 0, meanTokensPerSec: () => 0 };
  const doors = new Doors({
    fleet: { ...narrow, ...quoted },
    others,
    clock,
    budgetBytes: 1e9,
    onWaited() {},
    onEstimated() {},
  });
  const open: OpenRequests = new OpenRequests({
    ...{
      queue,
      fleet,
      affinity,
      estimates,
      clock,
      log,
      metrics,
      dropped,
      region: REGION,
      holdMs: HOLD_MS,
      claims,
    },
    ...{ doors, ackWaitMs: LEASE_MS, boundWaitMs: 250, runPasses: { add() {} } },
    deadLetter: ({ address }, failure) => queue.moveToDead(address, failure, claims),
  });
  const admissions = new Admissions({
    ...{ doors, mode: 'on', usualPatienceMs: 60_000, clock, modelOf: (slug: string) => slug },
    refused: metrics.refusedAtDoor,
    standIns: metrics.standIns,
  });
  admissions.whenLost((id, error) => {
    open.cancel(id, error);
    return open.get(id) === undefined;
  });
  const limiter = { enter: () => FREE_PASS };
  const life = {
    store,
    queue,
    done: new DoneChannel(queue, REGION),
    ttl: TTL,
    clock,
    claims,
    region: REGION,
  };
  const expiry = new RunExpiry(life);
  const finder = new RunFinder(store, expiry);
  const workMeta = new WorkMetaWriter(name, fleet);
  const trailing = { trails: { append() {} }, share: 0, hasWords: true, node: name, now: () => clock.now() };
  fleet.whenGone(worker => open.releaseBoundTo(worker));
  life.done.listen(id => open.runEnded(id), dropped);
  await open.listen(queue, wires.bus, name);
  setInterval(() => open.tick(), 1000);
  setInterval(() => open.callRoll(), CALL_EVERY_MS);
  setInterval(() => open.releaseOverdue(), isBound ? 20 : 1000);
  setInterval(() => doors.tick(), 1000);
  setInterval(() => doors.look(), DOOR_LOOK_MS);
  return {
    ...{ name, proc, wires, fleet, open, finder },
    intake: new Intake({
      models: fleet,
      boundaries: DEFAULT_BOUNDARIES,
      estimates,
      defaultsOf: () => ({}),
      engineRules: { allowedFields: new Set(), whyNotFetched: () => null },
      clock,
    }),
    dispatcher: new Dispatcher({
      ...{ fleet, affinity, workMeta, open, doors, claims, clock, tracing: null, region: REGION },
      sender: new Sender({ queue, fleet, affinity, open, claims, doors, clock, metrics, log }),
      admissions,
      storeRoom: { pass() {} },
      queueRoom: { enter: () => () => {} },
      limiter,
      room: new AnswerRoom({ totalBytes: 1e9, monotonic: () => clock.monotonic(), open: () => [] }),
      ...{ keepAliveMs: 10_000, trailing, convertedCall: (run: NewRun) => new ConvertedCall(life, run) },
    }),
    runIntake: new RunIntake({
      ...{
        acceptance: new RunAcceptance({ ...life, finder, limitsOf: () => null }),
        workMeta,
        region: REGION,
        claims,
        estimates,
      },
      storeRoom: { pass() {} },
      ...{ limiter, passes: { add() {} }, resources: { of: () => ({ most: () => undefined, check() {} }) } },
      ...{ tracing: null, trailing, shardFor: (slug: string) => fleet.shardFor(slug) },
    }),
    canceller: new RunCanceller(life),
  };
}
