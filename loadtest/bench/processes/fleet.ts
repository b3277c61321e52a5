/**
 * Heartbeats of many workers, each once a second and each time with other numbers, spread over the second as those of real workers are;
 * and the queues that such workers pull from, of which nobody pulls. Arguments: URL of NATS, workers, models.
 */
import {
  encodeMessage,
  type Heartbeat,
  type ModelInfo,
  queueKeys,
  USUAL_ENDPOINTS,
} from '@penstock/protocol';
import { NatsWorkQueue } from '@penstock/transport';

const REGION = 'local';
const SLOTS = 32;
const TICK_MS = 10;
const LEASE_MS = 30_000;

const [url = '', workers = '', models = ''] = process.argv.slice(2);
const [count, modelCount] = [Number(workers), Number(models)];
const queue = await NatsWorkQueue.connect({ url, name: 'fleet' });
for (let i = 0; i < modelCount; i++)
  for (const key of queueKeys(REGION, 0, modelOf(i).slug, true))
    await queue.ensureConsumer(key, { ackWaitMs: LEASE_MS });

const startedAt = performance.now();
let sent = 0;
setInterval(() => {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * count);
  for (; sent < due; sent++) beat(sent % count, Math.floor(sent / count));
  if (sent >= count) process.stdout.write('heard\n');
}, TICK_MS);

function modelOf(index: number): ModelInfo {
  const name = `bench-${(index % modelCount) + 1}`;
  return {
    ...{ name, slug: name, created: 0, ownedBy: 'bench', architecture: 'dense' },
    endpoints: [...USUAL_ENDPOINTS],
  };
}

function beat(index: number, round: number): void {
  const worker = `w-${index + 1}`;
  // Neighbours differ, and so does each from what it was a second ago.
  const running = (index * 7 + round * 5) % (SLOTS + 1);
  const isSick = index % 50 === 49;
  const bid = running === SLOTS ? 'full' : running % 10;
  const heartbeat: Heartbeat = {
    ...{ v: 1, worker, incarnation: 'bench', models: [modelOf(index)], shard: 0, slots: SLOTS },
    ...{ pulling: !isSick, leaving: false, waitS: running / 10, tokensPerSec: 8000 + running },
    ...{ load: running / SLOTS, cacheTokens: 1e6 + round, cacheCapacity: 400_000 },
    report: {
      ...{ running, kvUse: running / SLOTS, errorRate: 0, outputTokens: round * 900 + running },
      resting: isSick ? 'engine_sick' : null,
      bids: {
        ...{ interactive_short: bid, interactive_medium: bid, interactive_long: bid },
        ...{ background_any: bid, batch_any: 'over_reserve' },
      },
    },
  };
  queue.send({ kind: 'heartbeat', region: REGION, worker }, encodeMessage(heartbeat));
}
