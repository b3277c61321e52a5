/** Child processes of a test: started, watched until ready, and ended by their own id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { serviceArguments } from '@penstock/runtime/installation';
import { watchLeaks } from './telemetry/log-leaks.ts';

/** A start takes a second, and many times that where others eat the cores. */
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const KEPT_OUTPUT = 200;
const running = new Set<ChildProcess>();
const leaks = watchLeaks();
/** The process that started them may end early, by an error or a signal: they must not outlive it. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const leak of leaks.found) process.stderr.write(`${leak}\n`);
  if (leaks.found.length > 0) process.exitCode = 1;
});

export interface ServiceProcess {
  readonly pid: number;
  /** The latest lines of stdout and stderr. */
  readonly output: readonly string[];
  /** SIGTERM, then SIGKILL when it takes too long. Resolves when it is gone. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<void>;
}

export interface ReadyOptions {
  readonly readyWhen: (line: string) => boolean;
  /** Its current directory, if it is to have one of its own. */
  readonly cwd?: string;
}

/** What it logs is looked at, to the last line: prompts and keys in it fail the test file. @param service its folder in `services`. */
export function startService(
  service: string,
  env: Record<string, string>,
  options: ReadyOptions,
): Promise<ServiceProcess> {
  leaks.keysOf(env);
  const readyWhen = (line: string) => {
    leaks.look(service, line);
    return options.readyWhen(line);
  };
  return startProcess(process.execPath, serviceArguments(service), { ...options, readyWhen }, env);
}

/** @throws when the process ends or stays silent before it is ready; the error holds its last words. */
export async function startProcess(
  command: string,
  args: string[],
  { readyWhen, cwd }: ReadyOptions,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: '', ...env },
  });
  running.add(child);
  const output: string[] = [];
  const exited = new Promise<void>(resolve => child.on('exit', () => resolve()));
  void exited.then(() => running.delete(child));
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) =>
      reject(new Error(`${command} ${args.join(' ')} ${why}\n${output.slice(-20).join('\n')}`));
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      fail('was not ready in time');
    }, READY_LIMIT_MS);
    child.on('error', err => fail(err.message));
    child.on('exit', code => fail(`ended with code ${code}`));
    readLines(child, line => {
      output.push(line);
      if (output.length > KEPT_OUTPUT) output.shift();
      if (!readyWhen(line)) return;
      clearTimeout(limit);
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    output,
    exited,
    kill: signal => child.kill(signal),
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(limit);
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
  }
}

/** A server with a directory of its own that can be killed and started again on the same port and data. */
export async function startServer(
  url: string,
  start: () => Promise<ServiceProcess>,
  cleanUp: () => Promise<void>,
) {
  let server = await start();
  return {
    get pid() {
      return server.pid;
    },
    url,
    /** The latest lines of the process that runs. */
    output: () => server.output,
    /** Without warning. */
    async kill() {
      server.kill('SIGKILL');
      await server.exited;
    },
    /** Again, after {@link kill}. */
    async start() {
      server = await start();
    },
    /** Killed without warning. */
    async restart() {
      await this.kill();
      await this.start();
    },
    async stop() {
      await server.stop();
      await cleanUp();
    },
  };
}
