/** A scaler process: reads its configuration, connects, decides until a signal. */
import { DoorQueues, watchFleet } from '@penstock/fleet';
import { LeaderName, Leadership } from '@penstock/fleet/leadership';
import { joinRegion } from '@penstock/fleet/nodes';
import { DEFAULT_RULES, HEARTBEAT_MS } from '@penstock/policy';
import { encodeMessage, readIngressStatus } from '@penstock/protocol';
import {
  closeWires,
  createIdSource,
  createLogger,
  DroppedMessages,
  equalSettings,
  monitoringAddress,
  NATS,
  natsOf,
  REDIS,
  readConfigOrExit,
  redisOf,
  regionClock,
  startMonitoringOrExit,
  stopOnSignal,
  unhandledTo,
  warnOfClearText,
  whenThere,
} from '@penstock/runtime';
import {
  NatsQueueSurvey,
  NatsWorkQueue,
  RedisModelRegistry,
  RedisRegionNodes,
  RedisScalerRecords,
} from '@penstock/transport';
import { scalerConfig } from './config.ts';
import { CostMeter } from './cost/cost-meter.ts';
import { TokenCost } from './cost/token-cost.ts';
import { GuardedDriver } from './drivers/guarded-driver.ts';
import { createScalerMetrics } from './metrics.ts';
import { openDriver } from './open-driver.ts';
import { QueueWatch } from './region/queue-watch.ts';
import { RegionReader } from './region/region-reader.ts';
import { Scaler } from './scaler.ts';

const config = readConfigOrExit(scalerConfig);
const nextId = createIdSource();
const id = config.PENSTOCK_SCALER_ID ?? `scaler-${nextId().slice(0, 8)}`;
const log = createLogger({ service: id, level: config.PENSTOCK_LOG_LEVEL });
const stopping = stopOnSignal(log);
warnOfClearText(config, log);
const region = config.PENSTOCK_REGION;
const rules = {
  ...DEFAULT_RULES,
  patienceS: config.PENSTOCK_SLO_TTFT_MS / 1000,
  headroom: config.PENSTOCK_SCALE_HEADROOM,
  holdS: config.PENSTOCK_SCALE_HOLD_S,
  staleAfterS: Math.max(DEFAULT_RULES.staleAfterS, (3 * config.PENSTOCK_SCALE_EVERY_MS) / 1000),
  budgetPerHour: config.PENSTOCK_SCALE_BUDGET ?? null,
};

const opened = await openDriver(config, { name: id, nextId, log, clock: regionClock });
const dropped = new DroppedMessages();
const onUnhandled = unhandledTo(log, dropped);
const redis = redisOf(config, id, log, onUnhandled);
const there = whenThere(log);
const queue = await there(NATS, () => NatsWorkQueue.connect({ ...natsOf(config, id), onUnhandled }));
const registry = await there(REDIS, () => RedisModelRegistry.connect({ ...redis, clock: regionClock }));
const nodes = await there(REDIS, () => RedisRegionNodes.connect(redis));
const records = await there(REDIS, () => RedisScalerRecords.connect(redis, region));
const membership = await joinRegion({ nodes, log, name: id, settings: equalSettings(scalerConfig, config) });
const survey = await there(NATS, () =>
  NatsQueueSurvey.connect(natsOf(config, id), { region, shards: config.PENSTOCK_SHARDS }),
);
const fleet = await watchFleet({
  ...{ region, shards: config.PENSTOCK_SHARDS, channel: queue, registry, clock: regionClock, dropped },
  rand: Math.random,
});
const sweeping = setInterval(() => fleet.sweep(), HEARTBEAT_MS);
const hold = opened.lease ?? new LeaderName({ nodes, name: `scaler:${region}`, nonce: nextId() });
const leadership = new Leadership(hold, regionClock, log);
const isLeader = () => leadership.isLeader;
const doors = new DoorQueues(regionClock);
const queues = new QueueWatch(doors.beside(survey), regionClock, log);
const reader = new RegionReader({
  ...{ fleet, queues, clock: regionClock },
  hears: () => queue.connected && fleet.unheardMs === 0,
});
const cost = new CostMeter(regionClock, rules.headroom);
const tokenCost = new TokenCost(cost, config.PENSTOCK_SLO_TTFT_MS / 1000, regionClock);
queue.listen({ kind: 'ingress_statuses', region }, (payload, _reply, from) => {
  const status = readIngressStatus(payload, from);
  if (status === null) dropped.count('status');
  else {
    tokenCost.hear(status);
    doors.hear(status);
  }
});
const metrics = createScalerMetrics({
  ...{ scaler: () => scaler, cost, isLeader, ageS: () => reader.ageS, dropped },
  perMillionTokens: () => tokenCost.perMillion,
});
const driver = new GuardedDriver({
  ...{ driver: opened.driver, limitMs: config.PENSTOCK_SCALE_LIMIT_MS, clock: regionClock, log },
  onTrouble: metrics.onTrouble,
});
const scaler: Scaler = new Scaler({
  ...{ name: id, driverName: config.PENSTOCK_SCALE_DRIVER, pools: config.PENSTOCK_POOLS, rules },
  ...{ region: reader, driver, isLeader, records, cost, onDecision: metrics.onDecision },
  isActing: config.PENSTOCK_SCALE_DRIVER !== 'advise',
  drain: (worker, drain) => queue.send({ kind: 'worker', worker }, encodeMessage({ drain })),
  ...{ clock: regionClock, log },
});
await leadership.start();
const rounds = setInterval(async () => {
  await queues.look();
  await scaler.round();
  tokenCost.look();
}, config.PENSTOCK_SCALE_EVERY_MS);

let isDraining = false;
const watchedAt = monitoringAddress(config);
if (watchedAt !== null) {
  const notReady = () => {
    if (isDraining) return 'draining';
    return queue.connected ? null : 'no connection to NATS';
  };
  await startMonitoringOrExit({ ...watchedAt, metrics: metrics.set, notReady }, log);
}
log.info({ region, driver: config.PENSTOCK_SCALE_DRIVER }, 'scaler started');

stopping.by([
  {
    name: 'leave decisions to another',
    limitMs: 2000,
    run: () => {
      isDraining = true;
      clearInterval(rounds);
      clearInterval(sweeping);
      return leadership.stop();
    },
  },
  { name: 'end the workers of this process', limitMs: 12_000, run: () => driver.close() },
  { name: 'leave the region', limitMs: 500, run: () => membership.leave() },
  closeWires([queue, registry, nodes, records, survey]),
]);
