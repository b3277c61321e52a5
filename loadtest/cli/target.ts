/** What the load goes to: a Penstock that runs somewhere, or one that is started here for the time of the run. */
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { type ServiceProcess, startService } from '../../testkit/process.ts';
import { startReceiver } from '../../testkit/receiver.ts';
import { API_KEY, startStack } from '../../testkit/stack.ts';
import type { Arguments } from './arguments.ts';

export interface Target {
  readonly url: string;
  readonly key: string;
  /** In words, for the report. */
  readonly about: string;
  /** For the script, beside the user's own. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function openTarget(
  args: Pick<Arguments, 'url' | 'key' | 'workers' | 'profile' | 'settings'>,
  say: (line: string) => void,
): Promise<Target> {
  if (args.url !== null)
    return { url: args.url, key: args.key, about: args.url, settings: {}, stop: () => Promise.resolve() };
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
