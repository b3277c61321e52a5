/**
 * Keeps a set of child processes alive.
 *
 * A child is **running**. When it ends by itself it is **waiting** (250 ms, doubled up to 10 s; reset once it has run for
 * 30 s) and is then started again, unless its settings are wrong and `onRefused` says that it is not to be. `stop` ends all children in reverse order of their start: with SIGTERM, and with SIGKILL
 * after the limit. Each child has a pid file while it runs, and a log file for its output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EXIT_CONFIG } from '@penstock/runtime';

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of it: nothing comes from the environment of this process. */
  readonly env: Readonly<Record<string, string>>;
}

export interface SupervisorOptions {
  readonly dataDir: string;
  readonly say: (line: string) => void;
  readonly firstBackoffMs?: number;
  /**
   * A child ended because of its settings, and said which of them are wrong: {@link EXIT_CONFIG}.
   * @returns whether it is to stay ended.
   */
  readonly onRefused?: (name: string, problems: readonly string[]) => boolean;
}

interface Child {
  readonly spec: ChildSpec;
  process: ChildProcess | null;
  exited: Promise<void>;
  timer: NodeJS.Timeout | null;
  backoffMs: number;
  startedAt: number;
  /** Where the output of its latest start begins in its log. */
  logFrom: number;
}

const MAX_BACKOFF_MS = 10_000;
const STEADY_MS = 30_000;
const RESTART_LIMIT_MS = 5000;
/** A log larger than this is renamed at the next start, bytes. */
const MAX_LOG = 10 * 1024 * 1024;

export class Supervisor {
  readonly #o: SupervisorOptions;
  readonly #children: Child[] = [];
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#o = options;
    for (const dir of ['run', 'log']) mkdirSync(join(options.dataDir, dir), { recursive: true });
  }

  start(spec: ChildSpec): void {
    const backoffMs = this.#o.firstBackoffMs ?? 250;
    const child: Child = {
      spec,
      process: null,
      exited: Promise.resolve(),
      timer: null,
      backoffMs,
      startedAt: 0,
      logFrom: 0,
    };
    this.#children.push(child);
    this.#launch(child);
  }

  /** Ends a child, so that it is started again as one that ended by itself. Does nothing while it does not run. */
  restart(name: string): void {
    const child = this.#children.find(({ spec }) => spec.name === name);
    if (child !== undefined && !this.#stopping) void this.#end(child, RESTART_LIMIT_MS);
  }

  /** Where a child's output goes. */
  logFile(name: string): string {
    return join(this.#o.dataDir, 'log', `${name}.log`);
  }

  #pidFile(name: string): string {
    return join(this.#o.dataDir, 'run', `${name}.pid`);
  }

  #launch(child: Child): void {
    const { name, command, args, env } = child.spec;
    const log = this.#openLog(name);
    child.logFrom = fstatSync(log).size;
    // A process group of its own: Ctrl-C in a terminal reaches only the supervisor, which ends the children in order.
    const process_ = spawn(command, [...args], {
      stdio: ['ignore', log, log],
      env: { ...env },
      detached: true,
    });
    closeSync(log);
    child.process = process_;
    child.startedAt = performance.now();
    if (process_.pid !== undefined) writeFileSync(this.#pidFile(name), `${process_.pid}\n`);
    child.exited = new Promise(resolve => {
      process_.once('exit', (code, signal) => {
        if (code === EXIT_CONFIG && this.#isRefused(child)) this.#gone(child);
        else this.#onExit(child, signal ?? `code ${code}`);
        resolve();
      });
      process_.once('error', err => {
        this.#onExit(child, err.message);
        resolve();
      });
    });
  }

  #isRefused({ spec: { name }, logFrom }: Child): boolean {
    const said = readFileSync(this.logFile(name)).subarray(logFrom).toString();
    const problems = said.split('\n').flatMap(line => /^configuration: (.+)/.exec(line)?.[1] ?? []);
    return problems.length > 0 && this.#o.onRefused?.(name, problems) === true;
  }

  #gone(child: Child): void {
    child.process = null;
    rmSync(this.#pidFile(child.spec.name), { force: true });
  }

  #onExit(child: Child, how: string): void {
    this.#gone(child);
    if (this.#stopping) return;
    if (performance.now() - child.startedAt > STEADY_MS) child.backoffMs = this.#o.firstBackoffMs ?? 250;
    this.#o.say(
      `${child.spec.name} ended (${how}); starting it again in ${child.backoffMs} ms. Its log: ${this.logFile(child.spec.name)}`,
    );
    child.timer = setTimeout(() => this.#launch(child), child.backoffMs);
    child.backoffMs = Math.min(MAX_BACKOFF_MS, child.backoffMs * 2);
  }

  #openLog(name: string): number {
    const file = this.logFile(name);
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > MAX_LOG) renameSync(file, `${file}.1`);
    return openSync(file, 'a');
  }

  /** Ends all children, the last started first; none is left after `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    this.#stopping = true;
    const end = performance.now() + limitMs;
    for (const child of this.#children) if (child.timer !== null) clearTimeout(child.timer);
    const layers = new Map<string, Child[]>();
    for (const child of [...this.#children].reverse()) {
      const layer = child.spec.name.replace(/-\d+$/, '');
      layers.set(layer, [...(layers.get(layer) ?? []), child]);
    }
    for (const layer of layers.values()) {
      await Promise.all(layer.map(child => this.#end(child, Math.max(200, end - performance.now()))));
    }
  }

  async #end(child: Child, limitMs: number): Promise<void> {
    if (child.process === null) return;
    child.process.kill('SIGTERM');
    const limit = setTimeout(() => child.process?.kill('SIGKILL'), limitMs);
    await child.exited;
    clearTimeout(limit);
  }
}
