/** The processes of a local stack, and their settings. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceArguments } from '@penstock/runtime';
import type { StartConfig } from './config.ts';
import { StartError } from './data-dir.ts';
import { freePorts, tryPort } from './ports.ts';
import type { ChildSpec } from './supervisor.ts';

/** The second simulated engine runs at half the speed of the first: dispatch matters most where workers differ. */
const SIMULATED_SLOWDOWNS = [1, 2];

export interface LocalTools {
  /** Path of the program; null where the user brings the server. */
  readonly natsServer: string | null;
  readonly redisServer: string | null;
}

export async function planChildren(
  config: StartConfig,
  dataDir: string,
  keys: { readonly api: string; readonly admin: string },
  tools: LocalTools,
): Promise<ChildSpec[]> {
  const children: ChildSpec[] = [];
  const engines = config.PENSTOCK_ENGINES ?? [];
  const simulated = engines.length === 0 ? config.PENSTOCK_WORKERS : 0;
  const ports = await freePorts(2 + simulated, [config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT]);
  const [natsPort = 0, redisPort = 0, ...enginePorts] = ports;
  if (tools.natsServer !== null) children.push(nats(tools.natsServer, dataDir, natsPort));
  if (tools.redisServer !== null) children.push(redis(tools.redisServer, dataDir, redisPort));
  const common = {
    PENSTOCK_NATS_URL: config.PENSTOCK_NATS_URL ?? `nats://127.0.0.1:${natsPort}`,
    PENSTOCK_REDIS_URL: config.PENSTOCK_REDIS_URL ?? `redis://127.0.0.1:${redisPort}`,
    PENSTOCK_DRAIN_MS: '3000',
    PENSTOCK_FILES_DIR: join(dataDir, 'files'),
    PENSTOCK_WEBHOOK_ALLOW: config.PENSTOCK_WEBHOOK_ALLOW ?? webhookAllow(config.PENSTOCK_HOST),
  };
  // For `npm run dlq` and the like: the ports are new at each start.
  const servers = { nats: common.PENSTOCK_NATS_URL, redis: common.PENSTOCK_REDIS_URL };
  writeFileSync(join(dataDir, 'servers.json'), JSON.stringify(servers), { mode: 0o600 });
  if (enginePorts.length > 0) children.push(simulatedEngines(enginePorts));
  const engineUrls = [...engines, ...enginePorts.map(port => `http://127.0.0.1:${port}`)];
  children.push(
    service('ingress', 'ingress', {
      ...common,
      PENSTOCK_HOST: config.PENSTOCK_HOST,
      PENSTOCK_PORT: String(config.PENSTOCK_PORT),
      PENSTOCK_API_KEYS: keys.api,
      PENSTOCK_INGRESS_ID: 'ingress-1',
    }),
  );
  children.push(
    service('console', 'console', {
      ...common,
      PENSTOCK_CONSOLE_HOST: config.PENSTOCK_HOST,
      PENSTOCK_CONSOLE_PORT: String(config.PENSTOCK_CONSOLE_PORT),
      PENSTOCK_ADMIN_KEYS: keys.admin,
      PENSTOCK_CONSOLE_ID: 'console-1',
      // Whoever chose an address for the API of a local stack chose it without TLS.
      PENSTOCK_CONSOLE_PLAIN_HTTP: 'true',
    }),
  );
  children.push(
    service('tasks', 'tasks', { ...common, ...metricsPort(config, 0), PENSTOCK_TASKS_ID: 'tasks-1' }),
  );
  for (const [index, engine] of engineUrls.entries()) {
    const name = `worker-${index + 1}`;
    children.push(
      service(name, 'worker', {
        ...{ ...common, ...metricsPort(config, index + 1) },
        ...{ PENSTOCK_WORKER_ID: name, PENSTOCK_ENGINE_URL: engine },
      }),
    );
  }
  return children;
}

/** Each process needs one of its own: they would all inherit the same. */
function metricsPort({ PENSTOCK_METRICS_PORT: first }: StartConfig, index: number): Record<string, string> {
  return first === undefined ? {} : { PENSTOCK_METRICS_PORT: String(first + index) };
}

/** Local receivers are allowed only where the API is local, too: remote clients could otherwise have local servers called. */
function webhookAllow(host: string): string {
  return ['127.0.0.1', 'localhost', '::1'].includes(host) ? 'localhost,127.0.0.1,[::1]' : '';
}

function service(name: string, room: string, env: Record<string, string>): ChildSpec {
  return { name, command: process.execPath, args: serviceArguments(room), env };
}

function simulatedEngines(ports: number[]): ChildSpec {
  const engines = ports.map((port, index) => ({
    port,
    models: ['sim-chat', 'sim-embed'],
    profile: 'dense-8b-h100',
    slowdown: SIMULATED_SLOWDOWNS[index % SIMULATED_SLOWDOWNS.length],
  }));
  return service('engines', 'engine-sim', { PENSTOCK_SIM_ENGINES: JSON.stringify(engines) });
}

function nats(command: string, dataDir: string, port: number): ChildSpec {
  const conf = join(dataDir, 'nats.conf');
  const store = join(dataDir, 'nats');
  writeFileSync(
    conf,
    `host: 127.0.0.1\nport: ${port}\nping_interval: "10s"\nping_max: 2\nmax_payload: 8MB\n` +
      `jetstream { store_dir: ${JSON.stringify(store)} }\n`,
  );
  return { name: 'nats', command, args: ['-c', conf] };
}

function redis(command: string, dataDir: string, port: number): ChildSpec {
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dataDir, '--save', ''];
  return {
    name: 'redis',
    command,
    // Without an fsync: a write is handed to the operating system before it is answered, so it survives the end of the process
    // but not a loss of power (docs/architecture.md, "What survives"). `everysec` would answer while writes wait in Redis' memory.
    args: [...args, '--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'noeviction'],
  };
}

/** @param variable sets the port. @throws StartError when the port is taken. */
export async function checkPort(host: string, port: number, variable: string): Promise<void> {
  const problem = await tryPort(host, port);
  if (problem === null) return;
  const what =
    problem === 'EADDRINUSE'
      ? `port ${port} on ${host} is taken`
      : `cannot listen on ${host}:${port} (${problem})`;
  throw new StartError(`${what}: choose another with ${variable} or PENSTOCK_HOST`);
}
