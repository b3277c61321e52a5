/** The packed command as a test runs it: from its own folder below `node_modules`, in a directory that was empty, by a user without a cache. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort } from './ports.ts';
import { type ServiceProcess, startProcess } from './process.ts';

const COMMAND_LIMIT_MS = 60_000;

export interface PackedStart {
  readonly url: string;
  readonly console: string;
  readonly key: string;
  readonly process: ServiceProcess;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class PackedCommand {
  /** The current directory of all that is run. */
  readonly dir: string;
  readonly #bin: string;
  readonly #env: Record<string, string>;

  /** @param dir where the package is installed, in `node_modules`. @param bin the command. @param cache of the user. */
  constructor(dir: string, bin: string, cache: string) {
    const servers = ['PENSTOCK_TEST_NATS_SERVER', 'PENSTOCK_TEST_REDIS_SERVER'].map(
      name => process.env[name],
    );
    const places = [dirname(process.execPath), ...servers.flatMap(path => (path ? [dirname(path)] : []))];
    this.dir = dir;
    this.#bin = bin;
    this.#env = {
      PATH: [...places, process.env['PATH']].join(delimiter),
      // As for a new user: what this process was given for itself must not reach the command.
      ...{ XDG_CACHE_HOME: cache, NODE_COMPILE_CACHE: '', NODE_NO_WARNINGS: '', NODE_PATH: '' },
    };
  }

  /** To its end. */
  async run(...args: string[]): Promise<Ended> {
    const child = spawn(process.execPath, [this.#bin, ...args], {
      ...{ cwd: this.dir, timeout: COMMAND_LIMIT_MS, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '', ...this.#env },
    });
    const exitCode = new Promise<number | null>(done => child.on('exit', done));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await exitCode, out, err };
  }

  /** `penstock start`, until it is ready. @param command is run in place of Node, such as npx, with `first` before `start`. */
  async start(command = process.execPath, first: readonly string[] = [this.#bin]): Promise<PackedStart> {
    const [api, console] = [String(await freePort()), String(await freePort())];
    const env = { ...this.#env, PENSTOCK_PORT: api, PENSTOCK_CONSOLE_PORT: console };
    const process = await startProcess(
      command,
      [...first, 'start'],
      { readyWhen: line => line.includes('Ctrl-C stops it'), cwd: this.dir },
      env,
    );
    return {
      url: `http://127.0.0.1:${api}`,
      console: `http://127.0.0.1:${console}`,
      key: readFileSync(join(this.dir, '.penstock', 'api-key'), 'utf8').trim(),
      process,
    };
  }
}

/** @throws unless a chat completion is streamed to its end. */
export async function streamAnswer({ url, key }: PackedStart): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: 'sim-chat', stream: true, max_tokens: 3 },
      messages: [{ role: 'user', content: 'Hello' }],
    }),
  });
  assert.equal(response.status, 200);
  const answer = await response.text();
  assert.match(answer, /"content":" \w+"/);
  assert.match(answer, /data: \[DONE\]\s*$/);
}
