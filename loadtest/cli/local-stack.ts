/** A Penstock for the time of one run. Loaded only where none was named: it needs what only a checkout or the packed command has. */
import { ensureNatsServer, ensureRedisServer, ToolError } from '../../deploy/local/tools.ts';
import { type ServiceProcess, startService } from '../../testkit/process.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, startStack } from '../../testkit/stack.ts';
import { type Arguments, UsageError } from './arguments.ts';
import type { Target } from './target.ts';

type Wanted = Pick<Arguments, 'workers' | 'profile' | 'settings'>;

/** @throws UsageError where it does not start. */
export async function startLocalStack(wanted: Wanted, say: (line: string) => void): Promise<Target> {
  try {
    return await start(wanted, say);
  } catch (err) {
    const { message } = err as Error;
    if (err instanceof ToolError) throw new UsageError(message);
    throw new UsageError(`the local stack did not start: ${message.trim().split('\n').at(-1)}`);
  }
}

async function start(args: Wanted, say: (line: string) => void): Promise<Target> {
  process.env['PENSTOCK_TEST_NATS_SERVER'] ??= await ensureNatsServer();
  process.env['PENSTOCK_TEST_REDIS_SERVER'] ??= await ensureRedisServer();
  say(`starting Penstock with ${args.workers} workers in front of simulated engines (${args.profile})`);
  const engines = await Promise.all(Array.from({ length: args.workers }, () => startEngine(args.profile)));
  const receiver = args.settings['WEBHOOK'] === '1' ? await startReceiver() : null;
  const allow: Record<string, string> = receiver === null ? {} : { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
  const engineUrls = engines.map(({ url }) => url);
  const stack = await startStack({ engineUrls, ingressEnv: allow, tasksEnv: allow });
  return {
    url: stack.url,
    key: API_KEY,
    about: `local stack: 1 ingress, ${args.workers} workers, simulated engines ${args.profile}, all on this machine`,
    settings: receiver === null ? {} : { WEBHOOK_URL: `${receiver.url}/load` },
    stop: async () => {
      await stack[Symbol.asyncDispose]();
      await receiver?.[Symbol.asyncDispose]();
      await Promise.all(engines.map(engine => engine.process.stop()));
    },
  };
}

/** A process of its own: the engines' timers must not wait for the reading of samples. */
async function startEngine(profile: string): Promise<{ url: string; process: ServiceProcess }> {
  let url = '';
  const process = await startService(
    'engine-sim',
    { PENSTOCK_SIM_ENGINES: JSON.stringify([{ profile }]), PENSTOCK_SIM_PORT: '0' },
    {
      readyWhen: line => {
        url = /"url":"([^"]+)"/.exec(line)?.[1] ?? '';
        return url !== '';
      },
    },
  );
  return { url, process };
}
