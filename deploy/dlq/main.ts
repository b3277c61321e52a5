/** `npm run dlq`, `penstock dlq`: manages the dead letters of a region. */

import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  DeadLetterError,
  type DeadLetterWires,
  dropLetter,
  listLetters,
  requeueLetter,
  type ShownLetter,
  showLetter,
} from '@penstock/runs';
import {
  auditSettings,
  bucketOf,
  ConfigError,
  commandLine,
  EXIT_CONFIG,
  filesSettings,
  readConfig,
  regionClock,
  regionSettings,
} from '@penstock/runtime';
import {
  type AuditLog,
  ConnectError,
  NatsDeadLetters,
  NatsWorkQueue,
  openStores,
  RedisAuditLog,
  RedisModelRegistry,
  RedisRunStore,
} from '@penstock/transport';
import { z } from 'zod';
import { serverSettings, serversOf } from '../local/started-servers.ts';

const USAGE = `Usage: ${commandLine('dlq')} COMMAND [--json]

  list                  work that failed on every attempt
  show ID [--body]      details; --body adds the client's request
  requeue ID...         run stored work again under its own id
  drop ID...            delete

The servers are those of PENSTOCK_NATS_URL and PENSTOCK_REDIS_URL (and what else a service is told of them), else those of a running
\`${commandLine('start')}\` (PENSTOCK_DATA_DIR), else the default ports on this machine. PENSTOCK_REGION names the region (local).
Large bodies are in PENSTOCK_FILES_DIR or the bucket, else in PENSTOCK_DATA_DIR/files.
`;
const EXIT_USAGE = 2;
/** For an entry of the audit log, ms. */
const AUDIT_LIMIT_MS = 5000;

const dlqConfig = z.object({
  PENSTOCK_REGION: regionSettings.PENSTOCK_REGION,
  ...auditSettings,
  ...serverSettings,
  ...filesSettings,
  PENSTOCK_FILES_DIR: z.string().optional(),
});
type DlqConfig = z.infer<typeof dlqConfig>;

type Wires = DeadLetterWires & { readonly audit: AuditLog; readonly close: () => Promise<unknown> };

async function wire(config: DlqConfig): Promise<Wires> {
  const { nats, redis } = serversOf(config, 'penstock-dlq');
  const blame = (variable: string) => (err: Error) => {
    throw err instanceof ConnectError ? new DeadLetterError(`${variable}: ${err.message}`) : err;
  };
  // Fails at once if Redis does not answer; the store would wait for it. It also says what the time is.
  const about = { ...redis, clock: regionClock };
  await (await RedisModelRegistry.connect(about).catch(blame('PENSTOCK_REDIS_URL'))).close();
  const letters = await NatsDeadLetters.connect(nats, config.PENSTOCK_REGION).catch(
    blame('PENSTOCK_NATS_URL'),
  );
  const directory = config.PENSTOCK_FILES_DIR ?? join(config.PENSTOCK_DATA_DIR, 'files');
  const bucket = bucketOf({ ...config, PENSTOCK_FILES_DIR: directory });
  const { bodies } = await openStores(directory, bucket, config.PENSTOCK_REGION).catch(
    blame('PENSTOCK_FILES_S3_BUCKET'),
  );
  const queue = await NatsWorkQueue.connect(nats).catch(blame('PENSTOCK_NATS_URL'));
  const runs = await RedisRunStore.connect(redis);
  const audit = await RedisAuditLog.connect(redis, {
    region: config.PENSTOCK_REGION,
    days: config.PENSTOCK_AUDIT_DAYS,
  });
  const close = () => Promise.all([letters.close(), queue.close(), runs.close(), audit.close()]);
  return { letters, queue, runs, bodies, audit, now: () => regionClock.now(), close };
}

const say = (text: string) => process.stdout.write(`${text}\n`);

function table(rows: readonly ShownLetter[]): string {
  if (rows.length === 0) return 'no dead letters';
  const head = ['ID', 'MODEL', 'REASON', 'DIED AT', 'BYTES'];
  const lines = [
    head,
    ...rows.map(({ id, model, reason, died_at, bytes }) => [id, model, reason, died_at, String(bytes)]),
  ];
  const widths = head.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  return lines
    .map(line =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function details(letter: object): string {
  const flat = Object.entries(letter).map(([name, value]) => {
    const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '-');
    return `${name.padEnd(14)} ${text}`;
  });
  return flat.join('\n');
}

type Command = (
  wires: Wires,
  ids: readonly string[],
  options: { json: boolean; body: boolean },
) => Promise<void>;

/** Before it is done: what cannot be noted is not done. */
async function note({ audit, now }: Wires, action: string, id: string): Promise<void> {
  const who = `${userInfo().username}@${hostname()}`;
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('no answer')), AUDIT_LIMIT_MS).unref();
  });
  const added = audit.add({ at: now(), who, action: `letter.${action}`, targets: [id], reason: '' });
  await Promise.race([added, late]).catch((err: Error) => {
    throw new DeadLetterError(`the audit log cannot be written, so nothing was done: ${err.message}`);
  });
}

function forEach(
  action: string,
  act: (wires: DeadLetterWires, id: string) => Promise<ShownLetter>,
  done: string,
): Command {
  return async (wires, ids, { json }) => {
    for (const id of ids) {
      await note(wires, action, id);
      const letter = await act(wires, id);
      say(json ? JSON.stringify({ ...letter, done }) : `${letter.id} ${done}`);
    }
  };
}

const COMMANDS: Record<string, { ids: 'none' | 'one' | 'some'; run: Command }> = {
  list: {
    ids: 'none',
    run: async (wires, _ids, { json }) => {
      const letters = await listLetters(wires);
      say(json ? JSON.stringify(letters) : table(letters));
    },
  },
  show: {
    ids: 'one',
    run: async (wires, [id = ''], { json, body }) => {
      await note(wires, body ? 'show_body' : 'show', id);
      const letter = await showLetter(wires, id, body);
      say(json ? JSON.stringify(letter) : details(letter));
    },
  },
  requeue: { ids: 'some', run: forEach('requeue', requeueLetter, 'queued again') },
  drop: { ids: 'some', run: forEach('drop', dropLetter, 'dropped') },
};

function readArguments(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      body: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [name = '', ...ids] = positionals;
  if (values.help) return { ...values, command: null, ids };
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new TypeError(name === '' ? 'name a command' : 'no such command');
  if (command.ids === 'none' && ids.length > 0) throw new TypeError(`${name} takes no ID`);
  if (command.ids === 'one' && ids.length !== 1) throw new TypeError(`${name} takes one ID`);
  if (command.ids === 'some' && ids.length === 0) throw new TypeError(`${name} needs an ID`);
  return { ...values, command, ids };
}

async function main(args: string[]): Promise<number> {
  let wires: Awaited<ReturnType<typeof wire>> | null = null;
  try {
    const { command, ids, json, body } = readArguments(args);
    if (command === null) {
      say(USAGE);
      return 0;
    }
    wires = await wire(readConfig(dlqConfig, process.env));
    await command.run(wires, ids, { json, body });
    return 0;
  } catch (err) {
    if (err instanceof ConfigError) {
      for (const problem of err.problems) process.stderr.write(`dlq: ${problem}\n`);
      return EXIT_CONFIG;
    }
    if (err instanceof TypeError) {
      process.stderr.write(`dlq: ${err.message}\n\n${USAGE}`);
      return EXIT_USAGE;
    }
    process.stderr.write(`dlq: ${(err as Error).message}\n`);
    return 1;
  } finally {
    await wires?.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
