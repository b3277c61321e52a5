/** A console of a test's stack, and how a page logs in to it. */
import { freePort } from '../ports.ts';
import { type ServiceProcess, startService } from '../process.ts';

export const ADMIN_KEY = 'an-admin-key-for-tests';

export interface Wires {
  readonly nats: { readonly url: string };
  readonly redis: { readonly url: string };
}

/** It can be killed and started again on the same port. */
export async function startConsole({ nats, redis }: Wires, env: Record<string, string> = {}) {
  const port = await freePort();
  const start = () =>
    startService(
      'console',
      {
        ...{
          PENSTOCK_NATS_URL: nats.url,
          PENSTOCK_REDIS_URL: redis.url,
          PENSTOCK_LOG_LEVEL: 'info',
          PENSTOCK_LAME_DUCK_MS: '0',
        },
        ...{ PENSTOCK_CONSOLE_PORT: String(port), PENSTOCK_ADMIN_KEYS: ADMIN_KEY, ...env },
      },
      { readyWhen: line => line.includes('console listening') },
    );
  let process: ServiceProcess = await start();
  return {
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return process.pid;
    },
    /** Without warning. */
    async kill() {
      process.kill('SIGKILL');
      await process.exited;
    },
    async startAgain() {
      process = await start();
    },
    [Symbol.asyncDispose]: () => process.stop(),
  };
}
