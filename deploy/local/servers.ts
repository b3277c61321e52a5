/** Looks at the servers that the user brings: before anything is started that needs them, and engines as long as they load. */
import { NatsWorkQueue, RedisReplyBus } from '@penstock/transport';
import type { StartConfig } from './config.ts';
import { StartError } from './data-dir.ts';

const NAME = 'penstock-start';
const LOOK_LIMIT_MS = 2000;

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
