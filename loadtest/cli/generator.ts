/** Who makes the load: the user's own k6 where it is on the PATH, else the project's runner. k6 is never fetched. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { programFile } from '@penstock/runtime';
import { type Arguments, UsageError } from './arguments.ts';

/** k6's other form of the summary's data has no thresholds and no submetrics, which are most of a result. */
const ONE_SUMMARY = { K6_NEW_MACHINE_READABLE_SUMMARY: 'false' };
const RUNNER = programFile('loadtest/k6-runner/main');

export interface Generator {
  /** In words, with its version. */
  readonly about: string;
  readonly command: string;
  readonly args: (script: string, samples: string) => string[];
}

export function findGenerator(
  { ownRunner, maxLate }: Pick<Arguments, 'ownRunner' | 'maxLate'>,
  path = process.env['PATH'] ?? '',
): Generator {
  const k6 = ownRunner
    ? undefined
    : path
        .split(':')
        .map(directory => join(directory, 'k6'))
        .find(isProgram);
  if (k6 === undefined) {
    const late = maxLate === null ? [] : ['--max-late', maxLate];
    return {
      about: `the project's runner, Node ${process.version}`,
      command: process.execPath,
      args: (script, samples) => [RUNNER, script, '--quiet', ...late, '--out', `json=${samples}`],
    };
  }
  const version =
    /k6\S* v\S+/.exec(spawnSync(k6, ['version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? 'k6';
  return {
    about: version,
    command: k6,
    args: (script, samples) => ['run', '--quiet', '--no-usage-report', '--out', `json=${samples}`, script],
  };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface Running {
  readonly child: ChildProcess;
  /** Exit code; 130 where it was ended by a signal. */
  readonly ended: Promise<number>;
}

/** Its settings come by the environment: an API key on the command line could be read by everyone on the machine. */
export function startGenerator(
  { command, args }: Generator,
  script: string,
  samples: string,
  env: Readonly<Record<string, string>>,
): Running {
  const child = spawn(command, args(script, samples), {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...ONE_SUMMARY, ...env },
  });
  const ended = new Promise<number>((done, fail) => {
    child.on('error', err => fail(new UsageError(`${command} does not run: ${err.message}`)));
    child.on('exit', code => done(code ?? 130));
  });
  return { child, ended };
}
