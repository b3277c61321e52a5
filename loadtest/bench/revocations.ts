/** What it costs the broker when workers keep their quotes exact: CPU for one pull that is taken back and posted anew. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkQueueKey } from '@penstock/protocol';
import { NatsWorkQueue } from '@penstock/transport';
import { startNats } from '../../testkit/nats.ts';
import { cpuSeconds } from './measure/cpu.ts';

const PULLERS = 200;
const ROUNDS = 200;
const PAUSE_MS = 10;

export interface RevocationFigures {
  readonly pullers: number;
  readonly perSecond: number;
  /** Of nats-server, for one revocation and the new pull. */
  readonly cpuUs: number;
}

export async function measureRevocations(): Promise<RevocationFigures> {
  const nats = await startNats();
  const queue = await NatsWorkQueue.connect({ url: nats.url, name: 'bench' });
  const key: WorkQueueKey = { region: 'local', shard: 0, slug: 'm', lane: 'interactive', size: 'short' };
  await queue.ensureWorkStream('local', 0, { maxMessages: 1000, maxBytes: 1e7 });
  await queue.ensureConsumer(key, { ackWaitMs: 60_000 });
  const pullers = Array.from({ length: PULLERS }, () => queue.pull(key, () => {}));
  for (const puller of pullers) puller.bid({ level: 0, batch: 1 });
  await sleep(500);
  const [cpuBefore, startedAt] = [cpuSeconds(nats.pid), performance.now()];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const puller of pullers) {
      puller.bid(null);
      puller.bid({ level: round % 2, batch: 1 });
    }
    await sleep(PAUSE_MS);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuUs = ((cpuSeconds(nats.pid) - cpuBefore) * 1e6) / (PULLERS * ROUNDS);
  await Promise.all(pullers.map(puller => puller.stop()));
  await queue.close();
  await nats.stop();
  return { pullers: PULLERS, perSecond: (PULLERS * ROUNDS) / seconds, cpuUs };
}
