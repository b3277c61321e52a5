/**
 * Workers as processes of this machine, each with a simulated engine of its own that takes a set time to start: for trying, and for tests. What
 * it starts ends with it, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { Logger } from '@penstock/runtime';
import { programFile } from '@penstock/runtime/installation';
import type { Driver, Order } from '../drivers/driver.ts';

export interface ProcessPool {
  readonly name: string;
  readonly models: readonly string[];
  readonly slots: number;
  readonly speed: number;
}

export interface ProcessDriverOptions {
  readonly pools: readonly ProcessPool[];
  /** What is the same for all that it starts. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long an engine takes to start, ms. */
  readonly startMs: number;
  /** How long what runs may go on after SIGTERM, ms. */
  readonly endMs: number;
  readonly nextId: () => string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

interface Started {
  readonly worker: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

export class ProcessDriver implements Driver {
  readonly #o: ProcessDriverOptions;
  /** By pool, the oldest first. */
  readonly #started: ReadonlyMap<string, Started[]>;
  /** Those that were told to end. */
  readonly #ending = new Set<Started>();

  constructor(options: ProcessDriverOptions) {
    this.#o = options;
    this.#started = new Map(options.pools.map(({ name }) => [name, []]));
  }

  async look(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.#started].map(([pool, all]) => [pool, all.length]));
  }

  async order({ pool, workers, gone }: Order): Promise<void> {
    const started = this.#started.get(pool) ?? [];
    // Those that run nothing first; beyond them those that were started last, which have taken no work yet.
    const first = gone.flatMap(name => started.find(({ worker }) => worker === name) ?? []);
    const order = [...first, ...started.filter(each => !first.includes(each)).reverse()];
    for (const each of order.slice(0, Math.max(0, started.length - workers))) this.#end(pool, each);
    for (let n = started.length; n < workers; n++) await this.#start(pool);
  }

  async close(): Promise<void> {
    const all = [...this.#started].flatMap(([pool, started]) => started.map(each => [pool, each] as const));
    for (const [pool, each] of all) this.#end(pool, each);
    await Promise.all([...this.#ending].map(({ ended }) => ended));
  }

  async #start(name: string): Promise<void> {
    const { pools, env, startMs, nextId, log } = this.#o;
    const pool = pools.find(each => each.name === name);
    if (pool === undefined) throw new Error(`there is no pool ${name}`);
    const worker = `${name}-${nextId().slice(0, 6)}`;
    const port = await freePort();
    const child = spawn(process.execPath, [programFile('services/scaler/process/node')], {
      // The child ends when its input does, which is when this process is gone.
      stdio: ['pipe', 'inherit', 'inherit'],
      env: {
        ...env,
        ...{ PENSTOCK_WORKER_ID: worker, PENSTOCK_POOL: name, PENSTOCK_SLOTS: String(pool.slots) },
        ...{ PENSTOCK_ENGINE_URL: `http://127.0.0.1:${port}`, PENSTOCK_SIM_PORT: String(port) },
        ...{ PENSTOCK_SIM_MODELS: pool.models.join(','), PENSTOCK_SIM_SLOWDOWN: String(1 / pool.speed) },
        ...{ PENSTOCK_SIM_START_MS: String(startMs), PENSTOCK_METRICS_PORT: '' },
      },
    });
    child.stdin?.on('error', () => {});
    const ended = new Promise<void>(resolve => {
      child.once('exit', resolve);
      child.once('error', resolve);
    });
    const started = { worker, child, ended };
    this.#started.get(name)?.push(started);
    log.info({ pool: name, worker }, 'worker started');
    void ended.then(() => this.#onEnd(name, started));
  }

  #end(pool: string, started: Started): void {
    if (this.#ending.has(started)) return;
    this.#ending.add(started);
    this.#remove(pool, started);
    this.#o.log.info({ pool, worker: started.worker }, 'worker told to end');
    started.child.kill('SIGTERM');
    const limit = setTimeout(() => started.child.kill('SIGKILL'), this.#o.endMs);
    void started.ended.then(() => clearTimeout(limit));
  }

  #onEnd(pool: string, started: Started): void {
    if (!this.#ending.delete(started))
      this.#o.log.warn(
        { pool, worker: started.worker, code: started.child.exitCode },
        'worker ended by itself',
      );
    this.#remove(pool, started);
  }

  #remove(pool: string, started: Started): void {
    const all = this.#started.get(pool) ?? [];
    const at = all.indexOf(started);
    if (at !== -1) all.splice(at, 1);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
