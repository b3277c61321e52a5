/** The processes of a local stack, and their settings. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, readConfig, serviceArguments } from '@penstock/runtime';
import type { z } from 'zod';
import { consoleConfig } from '../../services/console/config.ts';
import { simConfig } from '../../services/engine-sim/config.ts';
import { ingressConfig } from '../../services/ingress/config.ts';
import { scalerConfig } from '../../services/scaler/config.ts';
import { tasksConfig } from '../../services/tasks/config.ts';
import { workerConfig } from '../../services/worker/config.ts';
import type { StartConfig } from './config.ts';
import { StartError } from './data-dir.ts';
import { freePorts, tryPort } from './ports.ts';
import type { ChildSpec } from './supervisor.ts';

/** The second simulated engine runs at half the speed of the first: dispatch matters most where workers differ. */
const SIMULATED_SLOWDOWNS = [1, 2];
const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];
/** As webhooks are allowed or refused. */
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/** Few slots: a laptop's worth of requests is to show what scaling does. */
const SCALED_POOL = {
  name: 'local',
  models: ['sim-chat', 'sim-embed'],
  slots: 4,
  zeroAfterS: 60,
  price: 2.5,
};
/** As long as it is fun to wait for. */
const SIMULATED_START_MS = 5000;

export interface LocalTools {
  /** Path of the program; null where the user brings the server. */
  readonly natsServer: string | null;
  readonly redisServer: string | null;
}

export interface LocalKeys {
  readonly api: string;
  readonly admin: string;
  readonly pepper: string;
}

/** Where services of a local stack find what they need. */
interface Addresses {
  readonly nats: string;
  readonly redis: string;
  /** Ports of simulated engines; none where the user brings engines. */
  readonly enginePorts: readonly number[];
}

export async function planChildren(
  config: StartConfig,
  dataDir: string,
  keys: LocalKeys,
  tools: LocalTools,
): Promise<ChildSpec[]> {
  const children: ChildSpec[] = [];
  const simulated = simulatedOf(config);
  const ports = await freePorts(2 + simulated, [config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT]);
  const [natsPort = 0, redisPort = 0, ...enginePorts] = ports;
  if (tools.natsServer !== null) children.push(nats(tools.natsServer, dataDir, natsPort));
  if (tools.redisServer !== null) children.push(redis(tools.redisServer, dataDir, redisPort));
  const servers = {
    nats: config.PENSTOCK_NATS_URL ?? `nats://127.0.0.1:${natsPort}`,
    redis: config.PENSTOCK_REDIS_URL ?? `redis://127.0.0.1:${redisPort}`,
  };
  // For `npm run dlq` and the like: the ports are new at each start.
  writeFileSync(join(dataDir, 'servers.json'), JSON.stringify(servers), { mode: 0o600 });
  return [...children, ...servicesOf(config, dataDir, keys, { ...servers, enginePorts })];
}

/**
 * Reads the settings of all services as they will: what one of them would refuse is refused before anything is installed or started.
 * @throws ConfigError
 */
export function checkSettings(config: StartConfig, dataDir: string, keys: LocalKeys): void {
  const enginePorts = Array.from({ length: simulatedOf(config) }, (_, i) => i + 1);
  const problems = new Set<string>();
  for (const { name, env } of servicesOf(config, dataDir, keys, { nats: 'x', redis: 'x', enginePorts })) {
    const schema = SETTINGS[name.replace(/-\d+$/, '')];
    if (schema === undefined) continue;
    try {
      readConfig(schema, { ...process.env, ...env });
    } catch (err) {
      if (!(err instanceof ConfigError)) throw err;
      for (const problem of err.problems) problems.add(problem);
    }
  }
  if (problems.size > 0) throw new ConfigError([...problems]);
}

/** By the name of the child, without its number. */
const SETTINGS: Readonly<Record<string, z.ZodObject>> = {
  engines: simConfig,
  ingress: ingressConfig,
  console: consoleConfig,
  scaler: scalerConfig,
  tasks: tasksConfig,
  worker: workerConfig,
};

function simulatedOf(config: StartConfig): number {
  const isFixed = config.PENSTOCK_ENGINES === undefined && config.PENSTOCK_SCALE === undefined;
  return isFixed ? config.PENSTOCK_WORKERS : 0;
}

function servicesOf(
  config: StartConfig,
  dataDir: string,
  keys: LocalKeys,
  { nats, redis, enginePorts }: Addresses,
): ChildSpec[] {
  const children: ChildSpec[] = [];
  const common = {
    PENSTOCK_NATS_URL: nats,
    PENSTOCK_REDIS_URL: redis,
    // Nobody balances load here.
    PENSTOCK_LAME_DUCK_MS: '0',
    PENSTOCK_DRAIN_MS: '3000',
    PENSTOCK_FILES_DIR: join(dataDir, 'files'),
    PENSTOCK_WEBHOOK_ALLOW: webhookAllow(config, [portIn(nats), portIn(redis), ...enginePorts]),
  };
  if (enginePorts.length > 0) children.push(simulatedEngines(enginePorts));
  const engineUrls = [
    ...(config.PENSTOCK_ENGINES ?? []),
    ...enginePorts.map(port => `http://127.0.0.1:${port}`),
  ];
  children.push(
    service('ingress', 'ingress', {
      ...common,
      PENSTOCK_HOST: config.PENSTOCK_HOST,
      PENSTOCK_PORT: String(config.PENSTOCK_PORT),
      PENSTOCK_API_KEYS: keys.api,
      PENSTOCK_KEY_PEPPER: keys.pepper,
      PENSTOCK_ADMIN_KEYS: keys.admin,
      PENSTOCK_INGRESS_ID: 'ingress-1',
      // At the port of the API, which is this machine's own.
      PENSTOCK_METRICS_PORT: '',
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
  if (config.PENSTOCK_SCALE !== undefined) children.push(scaler(config.PENSTOCK_SCALE, common));
  return children;
}

/** Starts and ends workers, each with a simulated engine. */
function scaler(
  range: NonNullable<StartConfig['PENSTOCK_SCALE']>,
  common: Record<string, string>,
): ChildSpec {
  const { least: min, most: max } = range;
  const pool = { ...SCALED_POOL, min, max, startS: SIMULATED_START_MS / 1000 };
  return service('scaler', 'scaler', {
    // What is set for the services goes before what only a local stack has otherwise.
    ...{ PENSTOCK_SCALE_EVERY_MS: '1000', PENSTOCK_SCALE_HOLD_S: '60' },
    ...{ PENSTOCK_SCALE_START_MS: String(SIMULATED_START_MS), PENSTOCK_POOLS: JSON.stringify([pool]) },
    ...settings('PENSTOCK_SCALE_'),
    ...settings('PENSTOCK_POOLS'),
    ...common,
    ...{ PENSTOCK_SCALER_ID: 'scaler-1', PENSTOCK_SCALE_DRIVER: 'process' },
  });
}

function settings(prefix: string): Record<string, string> {
  const given = Object.entries(process.env).filter(([name, value]) => name.startsWith(prefix) && value);
  return Object.fromEntries(given) as Record<string, string>;
}

/** Each process needs one of its own: they would all inherit the same. */
function metricsPort({ PENSTOCK_METRICS_PORT: first }: StartConfig, index: number): Record<string, string> {
  return first === undefined ? {} : { PENSTOCK_METRICS_PORT: String(first + index) };
}

/** Of a server of this machine; null of one elsewhere. */
function portIn(url: string): number | null {
  const { hostname = '', port = '' } = URL.parse(url) ?? {};
  return LOOPBACK.includes(hostname) && port !== '' ? Number(port) : null;
}

/**
 * Local receivers are allowed only where the API is local, too: remote clients could otherwise have local servers called. The ports of the
 * stack itself are not: a webhook would speak to them as from inside.
 */
function webhookAllow(config: StartConfig, servers: readonly (number | null)[]): string {
  const isLocal = LOOPBACK.includes(config.PENSTOCK_HOST);
  const allowed = config.PENSTOCK_WEBHOOK_ALLOW ?? (isLocal ? LOOPBACK_HOSTS.join(',') : '');
  if (allowed === '') return '';
  const ports = [config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT, ...servers].filter(
    port => port !== null,
  );
  return [allowed, ...ports.flatMap(port => LOOPBACK_HOSTS.map(host => `!${host}:${port}`))].join(',');
}

function service(name: string, room: string, env: Record<string, string>): ChildSpec {
  // A service refuses a setting that comes as a file too. What was a file for this start has been read.
  const files = Object.fromEntries(Object.keys(env).map(variable => [`${variable}_FILE`, '']));
  return { name, command: process.execPath, args: serviceArguments(room), env: { ...files, ...env } };
}

function simulatedEngines(ports: readonly number[]): ChildSpec {
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
