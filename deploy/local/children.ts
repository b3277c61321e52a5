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
import { serverEnvironment, serviceEnvironment } from './walls/environment.ts';
import { NATS_CIPHER, writeNatsCipher } from './walls/nats-cipher.ts';
import { LOOPBACK, withoutOwn } from './walls/own-ports.ts';
import {
  type LocalServers,
  makeUsers,
  NATS_USERS,
  REDIS_USERS,
  reachOf,
  withLogin,
} from './walls/server-users.ts';

/** The second simulated engine runs at half the speed of the first: dispatch matters most where workers differ. */
const SIMULATED_SLOWDOWNS = [1, 2];
/** Where webhooks may go if nothing else is said. */
const LOCAL_RECEIVERS = 'localhost,127.0.0.1,[::1]';

/** Of a NATS that the user brings. */
const OWN_CIPHER =
  'PENSTOCK_NATS_CIPHER is for the NATS that npm start starts: that of PENSTOCK_NATS_URL has a configuration of its own';

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
  /** Whether users of this Redis can have rules for some keys alone: from 7.0 on. */
  readonly hasSelectors: boolean;
}

export interface LocalKeys {
  readonly api: string;
  readonly admin: string;
  readonly pepper: string;
}

/** Where services of a local stack find what they need. */
interface Addresses {
  /** How the process of a user reaches NATS and Redis. */
  readonly reachOf: (user: string) => Record<string, string>;
  /** Ports of the servers that the stack starts. */
  readonly serverPorts: readonly number[];
  /** Ports of simulated engines; none where the user brings engines. */
  readonly enginePorts: readonly number[];
}

/** A child that is one of our services. */
interface ServiceSpec extends ChildSpec {
  readonly settings: z.ZodObject;
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
  const { PENSTOCK_NATS_URL: natsUrl, PENSTOCK_REDIS_URL: redisUrl } = config;
  const servers = {
    nats: { url: natsUrl ?? `nats://127.0.0.1:${natsPort}`, isOurs: tools.natsServer !== null },
    redis: { url: redisUrl ?? `redis://127.0.0.1:${redisPort}`, isOurs: tools.redisServer !== null },
  };
  if (servers.nats.isOurs || servers.redis.isOurs) prepareUsers(config, dataDir, servers, tools);
  else tellServers(dataDir, servers.nats.url, servers.redis.url);
  if (tools.natsServer !== null) {
    writeNatsCipher(dataDir, config);
    children.push(nats(tools.natsServer, dataDir, natsPort));
  } else if (config.PENSTOCK_NATS_CIPHER !== 'off') throw new StartError(OWN_CIPHER);
  if (tools.redisServer !== null) children.push(redis(tools.redisServer, dataDir, redisPort));
  const at = {
    reachOf: (user: string) => reachOf(user, servers, dataDir),
    serverPorts: [servers.nats, servers.redis].flatMap(({ url }) => portIn(url) ?? []),
    enginePorts,
  };
  return [...children, ...servicesOf(config, dataDir, keys, at)];
}

function prepareUsers(
  config: StartConfig,
  dataDir: string,
  servers: LocalServers,
  { hasSelectors }: LocalTools,
): void {
  const users = makeUsers(
    dataDir,
    config.PENSTOCK_SCALE === undefined ? workersOf(config) : [],
    hasSelectors,
  );
  const operator = users.get('operator');
  tellServers(
    dataDir,
    withLogin(servers.nats, 'operator', operator?.nats),
    withLogin(servers.redis, 'operator', operator?.redis),
  );
}

/** For `npm run dlq` and the like: the ports are new at each start. */
function tellServers(dataDir: string, nats: string, redis: string): void {
  writeFileSync(join(dataDir, 'servers.json'), JSON.stringify({ nats, redis }), { mode: 0o600 });
}

/**
 * Reads the settings of all services as they will: what one of them would refuse is refused before anything is installed or started.
 * @throws ConfigError
 */
export function checkSettings(config: StartConfig, dataDir: string, keys: LocalKeys): void {
  const enginePorts = Array.from({ length: simulatedOf(config) }, (_, i) => i + 1);
  const problems = new Set<string>();
  for (const { settings, env } of servicesOf(config, dataDir, keys, {
    ...{ reachOf: () => ({}), serverPorts: [], enginePorts },
  }))
    try {
      readConfig(settings, env);
    } catch (err) {
      if (!(err instanceof ConfigError)) throw err;
      for (const problem of err.problems) problems.add(problem);
    }
  if (problems.size > 0) throw new ConfigError([...problems]);
}

const SETTINGS = {
  'engine-sim': simConfig,
  ingress: ingressConfig,
  console: consoleConfig,
  scaler: scalerConfig,
  tasks: tasksConfig,
  worker: workerConfig,
} as const;

function simulatedOf(config: StartConfig): number {
  const isFixed = config.PENSTOCK_ENGINES === undefined && config.PENSTOCK_SCALE === undefined;
  return isFixed ? config.PENSTOCK_WORKERS : 0;
}

function workersOf(config: StartConfig): string[] {
  const engines = config.PENSTOCK_ENGINES?.length ?? simulatedOf(config);
  return Array.from({ length: engines }, (_, index) => `worker-${index + 1}`);
}

function servicesOf(
  config: StartConfig,
  dataDir: string,
  keys: LocalKeys,
  { reachOf, serverPorts, enginePorts }: Addresses,
): ServiceSpec[] {
  const children: ServiceSpec[] = [];
  const common = {
    // Nobody balances load here.
    PENSTOCK_LAME_DUCK_MS: '0',
    PENSTOCK_DRAIN_MS: '3000',
    PENSTOCK_FILES_DIR: join(dataDir, 'files'),
    ...allowed(config, [...serverPorts, ...enginePorts]),
  };
  if (enginePorts.length > 0) children.push(simulatedEngines(enginePorts));
  const engineUrls = [
    ...(config.PENSTOCK_ENGINES ?? []),
    ...enginePorts.map(port => `http://127.0.0.1:${port}`),
  ];
  children.push(
    service('ingress', 'ingress', {
      ...{ ...common, ...reachOf('ingress') },
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
      ...{ ...common, ...reachOf('console') },
      PENSTOCK_CONSOLE_HOST: config.PENSTOCK_HOST,
      PENSTOCK_CONSOLE_PORT: String(config.PENSTOCK_CONSOLE_PORT),
      PENSTOCK_ADMIN_KEYS: keys.admin,
      PENSTOCK_CONSOLE_ID: 'console-1',
      // Whoever chose an address for the API of a local stack chose it without TLS.
      PENSTOCK_CONSOLE_PLAIN_HTTP: 'true',
    }),
  );
  children.push(
    service('tasks', 'tasks', {
      ...{ ...common, ...reachOf('tasks'), ...metricsPort(config, 0) },
      PENSTOCK_TASKS_ID: 'tasks-1',
    }),
  );
  for (const [index, engine] of engineUrls.entries()) {
    const name = `worker-${index + 1}`;
    children.push(
      service(name, 'worker', {
        ...{ ...common, ...reachOf(name), ...metricsPort(config, index + 1) },
        ...{ PENSTOCK_WORKER_ID: name, PENSTOCK_ENGINE_URL: engine },
      }),
    );
  }
  if (config.PENSTOCK_SCALE !== undefined) {
    const asWorker = variables(reachOf('worker'));
    const own = {
      ...{ ...common, ...reachOf('scaler'), ...metricsPort(config, engineUrls.length + 1) },
      PENSTOCK_SCALE_WORKER_ENV: asWorker,
    };
    children.push(scaler(config.PENSTOCK_SCALE, own));
  }
  return children;
}

/** Starts and ends workers, each with a simulated engine. */
function scaler(
  range: NonNullable<StartConfig['PENSTOCK_SCALE']>,
  common: Record<string, string>,
): ServiceSpec {
  const { least: min, most: max } = range;
  const pool = { ...SCALED_POOL, min, max, startS: SIMULATED_START_MS / 1000 };
  const own = {
    // What is set for the services goes before what only a local stack has otherwise.
    ...{ PENSTOCK_SCALE_EVERY_MS: '1000', PENSTOCK_SCALE_HOLD_S: '60' },
    ...{ PENSTOCK_SCALE_START_MS: String(SIMULATED_START_MS), PENSTOCK_POOLS: JSON.stringify([pool]) },
    ...settings('PENSTOCK_SCALE_'),
    ...settings('PENSTOCK_POOLS'),
    ...common,
    ...{ PENSTOCK_SCALER_ID: 'scaler-1', PENSTOCK_SCALE_DRIVER: 'process' },
  };
  // Its workers get their settings from it; their engines are simulated, and ask for no key.
  return service('scaler', 'scaler', own, [workerConfig.omit({ PENSTOCK_ENGINE_API_KEY: true }), simConfig]);
}

/** As a file of variables has them. */
function variables(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
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
 * Local receivers of webhooks are allowed only where the API is local, too: remote clients could otherwise have local servers called. The ports of
 * the stack itself are not, nor may engines fetch from them: either would speak to them as from inside.
 */
function allowed(config: StartConfig, servers: readonly number[]): Record<string, string> {
  const { PENSTOCK_HOST: host, PENSTOCK_METRICS_PORT: metrics } = config;
  const watching = 1 + workersOf(config).length + (config.PENSTOCK_SCALE === undefined ? 0 : 1);
  const watched = metrics === undefined ? [] : Array.from({ length: watching }, (_, i) => metrics + i);
  const ports = [config.PENSTOCK_PORT, config.PENSTOCK_CONSOLE_PORT, ...servers, ...watched];
  const receivers = config.PENSTOCK_WEBHOOK_ALLOW ?? (LOOPBACK.includes(host) ? LOCAL_RECEIVERS : '');
  return {
    PENSTOCK_WEBHOOK_ALLOW: withoutOwn(receivers, ports, host),
    PENSTOCK_MEDIA_ALLOW: withoutOwn(config.PENSTOCK_MEDIA_ALLOW ?? '', ports, host),
  };
}

/** @param own settings. @param more settings that it hands on to those that it starts. */
function service(
  name: string,
  room: keyof typeof SETTINGS,
  own: Record<string, string>,
  more: readonly z.ZodObject[] = [],
): ServiceSpec {
  const settings = SETTINGS[room];
  const env = serviceEnvironment([settings, ...more], own);
  return { name, command: process.execPath, args: serviceArguments(room), env, settings };
}

function simulatedEngines(ports: readonly number[]): ServiceSpec {
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
      `jetstream {\n  store_dir: ${JSON.stringify(store)}\n  include ${JSON.stringify(NATS_CIPHER)}\n}\n` +
      `include ${JSON.stringify(NATS_USERS)}\n`,
  );
  return { name: 'nats', command, args: ['-c', conf], env: serverEnvironment() };
}

function redis(command: string, dataDir: string, port: number): ChildSpec {
  const users = ['--aclfile', join(dataDir, REDIS_USERS)];
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dataDir, '--save', '', ...users];
  return {
    name: 'redis',
    command,
    // Without an fsync: a write is handed to the operating system before it is answered, so it survives the end of the process
    // but not a loss of power (docs/architecture.md, "What survives"). `everysec` would answer while writes wait in Redis' memory.
    args: [...args, '--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'noeviction'],
    env: serverEnvironment(),
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
