/** Checks the servers that the user brings before anything is started that needs them. */
import { NatsWorkQueue, RedisReplyBus } from '@penstock/transport';
import type { StartConfig } from './config.ts';
import { StartError } from './data-dir.ts';

const NAME = 'penstock-start';

/** @throws StartError that names the variable. */
export async function checkServers(config: StartConfig): Promise<void> {
  await check('PENSTOCK_NATS_URL', config.PENSTOCK_NATS_URL, url =>
    NatsWorkQueue.connect({ url, name: NAME }),
  );
  await check('PENSTOCK_REDIS_URL', config.PENSTOCK_REDIS_URL, url =>
    RedisReplyBus.connect({ url, name: NAME }),
  );
}

async function check(
  variable: string,
  url: string | undefined,
  connect: (url: string) => Promise<{ close(): Promise<void> }>,
): Promise<void> {
  if (url === undefined) return;
  try {
    await (await connect(url)).close();
  } catch (err) {
    throw new StartError(`${variable}: ${(err as Error).message}`);
  }
}
