/** `npm start`, `penstock start`: runs a complete Penstock on this machine until Ctrl-C. */
import { ConfigError, commandLine, EXIT_CONFIG, readConfig } from '@penstock/runtime';
import { banner } from './banner.ts';
import { checkPort, checkSettings, planChildren } from './children.ts';
import { type StartConfig, startConfig, startUsage } from './config.ts';
import { keyOf, roomTrouble, StartError, takeDataDir } from './data-dir.ts';
import { FullDisk, freeBytes } from './full-disk.ts';
import { takeNoArguments } from './no-arguments.ts';
import { endPrograms, sayLine, startStep } from './progress.mjs';
import { type Ready, type Stack, whenReady } from './ready.ts';
import { checkServers, engineTrouble } from './servers.ts';
import { Supervisor } from './supervisor.ts';
import { ensureNatsServer, ensureRedisServer, hasSelectors, ToolError } from './tools.ts';

const STOP_LIMIT_MS = 9000;
const READY_LIMIT_MS = 60_000;
/** Of a server that may only be away for a moment: the one started here may not listen yet. */
const OF_A_SERVER = /^PENSTOCK_(NATS|REDIS)_URL: /;
/** What is said goes to stderr, as progress does; what is printed in the end is for stdout. */
const say = (line: string) => sayLine(line);

async function main(): Promise<void> {
  const config = readConfig(startConfig, process.env);
  const dir = takeDataDir(config.PENSTOCK_DATA_DIR);
  process.once('exit', dir.release);
  let supervisor: Supervisor | null = null;
  let stopping = false;
  let isReady = false;
  const ending = new AbortController();
  const stop = async (code = 0) => {
    if (stopping) return;
    stopping = true;
    ending.abort();
    say(supervisor === null ? 'stopping' : 'stopping: open requests may finish');
    endPrograms('SIGTERM');
    await supervisor?.stop(STOP_LIMIT_MS);
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
  const keys = {
    api: keyOf(dir.path, 'api-key', config.PENSTOCK_API_KEY),
    admin: keyOf(dir.path, 'admin-key', config.PENSTOCK_ADMIN_KEY),
    pepper: keyOf(dir.path, 'key-pepper', undefined),
  };
  checkSettings(config, dir.path, keys);
  for (const variable of ['PENSTOCK_PORT', 'PENSTOCK_CONSOLE_PORT'] as const)
    await checkPort(config.PENSTOCK_HOST, config[variable], variable);
  await checkServers(config);
  const natsServer = config.PENSTOCK_NATS_URL === undefined ? await ensureNatsServer() : null;
  const redisServer = config.PENSTOCK_REDIS_URL === undefined ? await ensureRedisServer() : null;
  const tools = {
    ...{ natsServer, redisServer, hasSelectors: redisServer !== null && hasSelectors(redisServer) },
  };
  if (stopping) return;
  const children = await planChildren(config, dir.path, keys, tools);
  const onRefused = (_: string, problems: readonly string[]) => {
    const wrong = problems.filter(problem => !OF_A_SERVER.test(problem));
    if (isReady || wrong.length === 0) return false;
    if (!stopping) for (const problem of wrong) say(problem);
    void stop(EXIT_CONFIG);
    return true;
  };
  supervisor = new Supervisor({ dataDir: dir.path, say, onRefused });
  say(`starting ${children.map(({ name }) => name).join(', ')}`);
  for (const child of children) supervisor.start(child);
  if (tools.natsServer !== null) watchDisk(supervisor, dir.path);
  const host = config.PENSTOCK_HOST === '0.0.0.0' ? '127.0.0.1' : config.PENSTOCK_HOST;
  const url = `http://${host}:${config.PENSTOCK_PORT}`;
  const places = { url, console: `http://${host}:${config.PENSTOCK_CONSOLE_PORT}` };
  const { ready, missing } = await firstAnswer(config, places, keys.api, ending.signal);
  if (stopping) return;
  isReady = ready !== null;
  if (ready !== null) {
    const isSimulated = config.PENSTOCK_ENGINES === undefined;
    const about = { ...places, keys, model: ready.model, isSimulated, dataDir: dir.path };
    process.stdout.write(`${banner(about)}\n`);
    return;
  }
  say(
    `no model has answered for ${READY_LIMIT_MS / 1000} s: ${missing}. The logs in ${dir.path}/log say why`,
  );
  await stop(1);
}

function watchDisk(supervisor: Supervisor, dataDir: string): void {
  new FullDisk({
    ...{ logFile: supervisor.logFile('nats'), say, free: () => freeBytes(dataDir) },
    restart: () => supervisor.restart('nats'),
  }).start();
}

/** Waits for it, and shows for what. */
async function firstAnswer(
  { PENSTOCK_ENGINES: engines }: StartConfig,
  stack: Stack,
  apiKey: string,
  signal: AbortSignal,
): Promise<{ ready: Ready | null; missing: string }> {
  const awaited = engines?.map(engine => new URL(engine).origin).join(', ');
  const step = startStep(
    `waiting for ${awaited === undefined ? 'a first answer' : `the engine at ${awaited}`}`,
  );
  let missing = '';
  const ready = await whenReady(stack, apiKey, {
    ...{ limitMs: READY_LIMIT_MS, signal },
    note(text) {
      missing = text;
      step.note(text);
    },
    ...(engines === undefined ? {} : { engines: () => troubleOf(engines) }),
    onLate: text =>
      say(
        `the engine at ${awaited} has not answered for ${READY_LIMIT_MS / 1000} s: ${text}. A large model takes minutes to load, so this goes on waiting; Ctrl-C ends it`,
      ),
  });
  step.end();
  return { ready, missing };
}

/** Why none of the engines answers; null where one does. */
async function troubleOf(engines: readonly string[]): Promise<string | null> {
  const apiKey = process.env['PENSTOCK_ENGINE_API_KEY'];
  const troubles = await Promise.all(engines.map(engine => engineTrouble(engine, apiKey)));
  const found = troubles.filter(trouble => trouble !== null);
  return found.length < troubles.length ? null : [...new Set(found)].join(', ');
}

if (['--help', '-h'].includes(process.argv[2] ?? '')) {
  process.stdout.write(startUsage());
  process.exit(0);
}
takeNoArguments(
  commandLine('start'),
  'Its settings are environment variables, PENSTOCK_PORT for one: see README.md.',
);
try {
  await main();
} catch (err) {
  if (err instanceof ConfigError) {
    for (const problem of err.problems) process.stderr.write(`penstock: ${problem}\n`);
    process.exit(EXIT_CONFIG);
  }
  const noRoom = roomTrouble(err);
  if (noRoom === null && !(err instanceof StartError || err instanceof ToolError)) throw err;
  process.stderr.write(`penstock: ${noRoom ?? (err as Error).message}\n`);
  process.exit(1);
}
