/** `npm start`, `penstock start`: runs a complete Penstock on this machine until Ctrl-C. */
import { ConfigError, commandLine, EXIT_CONFIG, readConfig } from '@penstock/runtime';
import { checkPort, planChildren } from './children.ts';
import { startConfig, startUsage } from './config.ts';
import { keyOf, StartError, takeDataDir } from './data-dir.ts';
import { takeNoArguments } from './no-arguments.ts';
import { whenReady } from './ready.ts';
import { checkServers } from './servers.ts';
import { Supervisor } from './supervisor.ts';
import { ensureNatsServer, ensureRedisServer, ToolError } from './tools.ts';

const STOP_LIMIT_MS = 9000;
const READY_LIMIT_MS = 60_000;
const say = (line: string) => process.stdout.write(`${line}\n`);

interface Places {
  readonly url: string;
  readonly console: string;
}

function banner({ url, console }: Places, keys: { api: string; admin: string }, model: string): string {
  const { api: apiKey, admin: adminKey } = keys;
  return `
Penstock is ready.

  URL      ${url}/v1
  API key  ${apiKey}

  Console  ${console}
  Login    ${adminKey}

Try it:

  curl -N ${url}/v1/chat/completions \\
    -H "Authorization: Bearer ${apiKey}" \\
    -H "Content-Type: application/json" \\
    -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

Or in Python (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="${url}/v1", api_key="${apiKey}")
  for chunk in client.chat.completions.create(
      model="${model}", stream=True, messages=[{"role": "user", "content": "Hello"}]
  ):
      print(chunk.choices[0].delta.content or "", end="", flush=True)

Ctrl-C stops it.`;
}

async function main(): Promise<void> {
  const config = readConfig(startConfig, process.env);
  const dir = takeDataDir(config.PENSTOCK_DATA_DIR);
  process.once('exit', dir.release);
  for (const variable of ['PENSTOCK_PORT', 'PENSTOCK_CONSOLE_PORT'] as const)
    await checkPort(config.PENSTOCK_HOST, config[variable], variable);
  await checkServers(config);
  const tools = {
    natsServer: config.PENSTOCK_NATS_URL === undefined ? ensureNatsServer(say) : null,
    redisServer: config.PENSTOCK_REDIS_URL === undefined ? ensureRedisServer(say) : null,
  };
  const keys = {
    api: keyOf(dir.path, 'api-key', config.PENSTOCK_API_KEY),
    admin: keyOf(dir.path, 'admin-key', config.PENSTOCK_ADMIN_KEY),
  };
  const supervisor = new Supervisor({ dataDir: dir.path, say });
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    say('stopping: open requests may finish');
    await supervisor.stop(STOP_LIMIT_MS);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
  for (const child of await planChildren(config, dir.path, keys, tools)) {
    say(`starting ${child.name}`);
    supervisor.start(child);
  }
  const host = config.PENSTOCK_HOST === '0.0.0.0' ? '127.0.0.1' : config.PENSTOCK_HOST;
  const url = `http://${host}:${config.PENSTOCK_PORT}`;
  const places = { url, console: `http://${host}:${config.PENSTOCK_CONSOLE_PORT}` };
  const ready = await whenReady(places, keys.api, READY_LIMIT_MS);
  if (stopping) return;
  if (ready === null) {
    say(`no model has answered for ${READY_LIMIT_MS / 1000} s; the logs in ${dir.path}/log say why`);
    await stop();
    return;
  }
  say(banner(places, keys, ready.model));
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
  if (!(err instanceof StartError || err instanceof ToolError)) throw err;
  process.stderr.write(`penstock: ${err.message}\n`);
  process.exit(1);
}
