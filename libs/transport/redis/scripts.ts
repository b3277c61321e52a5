/**
 * The Lua scripts, one file each in `scripts/`. A script begins with comments that say what it does, its `KEYS:` and `ARGV:`,
 * what it returns, and who calls it when. `-- include: a, b` puts the functions of `scripts/include/a.lua` and `b.lua` before
 * it; `names` are constants of the protocol: the names that scripts make keys from, and {@link FIRST_ERROR_STATUS}.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BACKLOG_BYTES_KEY,
  backlogKey,
  deliveryAttemptsKey,
  deliveryKey,
  EVENT_OUTBOX_KEY,
  FIRST_ERROR_STATUS,
  fileKey,
  openBatchesKey,
  RUN_DEADLINES_KEY,
  runMessageKey,
  runRemovedKey,
  WEBHOOK_LIST_PREFIX,
} from '@penstock/protocol';
import type { Redis } from 'ioredis';

const FOLDER = join(import.meta.dirname, 'scripts');

const NAMES = {
  ...{ BACKLOG_BYTES_KEY, EVENT_OUTBOX_KEY, FIRST_ERROR_STATUS, RUN_DEADLINES_KEY, WEBHOOK_LIST_PREFIX },
  BACKLOG_PREFIX: prefixOf(backlogKey),
  FILE_PREFIX: prefixOf(fileKey),
  OPEN_BATCHES_PREFIX: prefixOf(openBatchesKey),
  DELIVERY_PREFIX: prefixOf(deliveryKey),
  DELIVERY_ATTEMPTS_PREFIX: prefixOf(deliveryAttemptsKey),
  RUN_MESSAGE_PREFIX: prefixOf(runMessageKey),
  RUN_REMOVED_PREFIX: prefixOf(runRemovedKey),
};

function prefixOf(keyOf: (id: string) => string): string {
  return keyOf('x').slice(0, -1);
}

export interface Script {
  readonly lua: string;
  readonly numberOfKeys: number;
}

/** @throws Error for a script that is not there or does not name its keys. */
export function readScript(name: string): Script {
  const text = read(name);
  const keys = /^-- KEYS: (.+)$/m.exec(text)?.[1];
  if (keys === undefined) throw new Error(`${name}.lua does not name its keys`);
  return { lua: includesOf(text, new Set()) + text, numberOfKeys: keys.split(',').length };
}

function read(name: string): string {
  return readFileSync(join(FOLDER, `${name}.lua`), 'utf8');
}

/** What a text includes, each part once and behind what it includes itself. */
function includesOf(text: string, done: Set<string>): string {
  const wanted = /^-- include: (.+)$/m.exec(text)?.[1]?.split(', ') ?? [];
  return wanted
    .filter(name => !done.has(name))
    .map(name => {
      done.add(name);
      if (name === 'names') return constants();
      const part = read(`include/${name}`);
      return includesOf(part, done) + part;
    })
    .join('');
}

function constants(): string {
  return Object.entries(NAMES)
    .map(([name, value]) => `local ${name} = ${typeof value === 'number' ? value : `'${value}'`}\n`)
    .join('');
}

type Argument = string | number | Buffer;
type Command = (...args: Argument[]) => Promise<unknown>;

/** The scripts that one adapter runs on its connection. */
export class RedisScripts<Name extends string> {
  readonly #redis: Redis;

  constructor(redis: Redis, names: readonly Name[]) {
    this.#redis = redis;
    for (const name of names) redis.defineCommand(name, readScript(name));
  }

  /** @param args the keys, then the arguments. */
  run(name: Name, ...args: readonly Argument[]): Promise<unknown> {
    return this.#command(name).apply(this.#redis, [...args]);
  }

  /** As {@link run}, with strings of the answer as bytes. */
  runForBytes(name: Name, ...args: readonly Argument[]): Promise<unknown> {
    return this.#command(`${name}Buffer`).apply(this.#redis, [...args]);
  }

  #command(name: string): Command {
    return (this.#redis as unknown as Record<string, Command>)[name] as Command;
  }
}
