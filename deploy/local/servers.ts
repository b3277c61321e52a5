/** Looks at the servers that the user brings: before anything is started that needs them, and engines as long as they load. */
import { natsOf, natsSettings, readConfig, redisOf, redisSettings } from '@penstock/runtime';
import { NatsWorkQueue, RedisReplyBus } from '@penstock/transport';
import { z } from 'zod';
import type { StartConfig } from './config.ts';
import { StartError } from './data-dir.ts';

const NAME = 'penstock-start';
const LOOK_LIMIT_MS = 2000;

/** @throws StartError that names the variable. */
export async function checkServers(config: StartConfig): Promise<void> {
  const settings = readConfig(z.object({ ...natsSettings, ...redisSettings }), process.env);
  if (config.PENSTOCK_NATS_URL !== undefined)
    await check('PENSTOCK_NATS_URL', () => NatsWorkQueue.connect(natsOf(settings, NAME)));
  if (config.PENSTOCK_REDIS_URL !== undefined)
    await check('PENSTOCK_REDIS_URL', () =>
      RedisReplyBus.connect(redisOf(settings, NAME, { warn: () => {} })),
    );
}

async function check(variable: string, connect: () => Promise<{ close(): Promise<void> }>): Promise<void> {
  try {
    await (await connect()).close();
  } catch (err) {
    throw new StartError(`${variable}: ${(err as Error).message}`);
  }
}

/** @returns why an engine cannot be asked for its models yet; null where it can. */
export async function engineTrouble(url: string, apiKey: string | undefined): Promise<string | null> {
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  try {
    const at = `${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/models`;
    const answer = await fetch(at, { headers, signal: AbortSignal.timeout(LOOK_LIMIT_MS) });
    await answer.body?.cancel();
    return answer.ok ? null : `it answers with ${answer.status}`;
  } catch (err) {
    const { code } = ((err as Error).cause ?? {}) as { code?: string };
    return `no answer yet${code === undefined ? '' : ` (${code})`}`;
  }
}
