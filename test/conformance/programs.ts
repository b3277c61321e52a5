/** Programs that suites need: Python environments, made once for each set from pinned packages in `.tools/conformance-<set>`, and npm's. */
import { spawn, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConformanceError, type Say } from './suite.ts';

const TOOLS = resolve(import.meta.dirname, '../../.tools');
const LIMIT_MS = 600_000;

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Python {
  /** Runs a program of the environment. @param cwd where it leaves its files */
  run(program: string, args: readonly string[], cwd: string): Promise<Ran>;
  /** The pinned version of a package. */
  version(name: string): string;
}

/** Nothing but wheels whose hashes the file has: what is no wheel would run its own code to be built. */
const PINNED = ['--require-hashes', '--only-binary', ':all:'];

/**
 * @param set names the environment
 * @param requirements path of a file of pinned packages
 * @throws ConformanceError that says what to install.
 */
export function ensurePython(set: string, requirements: string, say: Say): Python {
  const venv = join(TOOLS, `conformance-${set}`);
  const wanted = readFileSync(requirements, 'utf8');
  const stamp = join(venv, 'requirements.sha256');
  const digest = hash('sha256', wanted);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
    say('installing Python packages with pip (minutes, once)');
    rmSync(venv, { recursive: true, force: true });
    must(
      'python3',
      ['-m', 'venv', venv],
      'Install Python 3.10 or newer with venv (Debian: apt-get install python3-venv).',
    );
    must(
      join(venv, 'bin/pip'),
      ['install', '-q', ...PINNED, '-r', requirements],
      'pip needs its package index.',
    );
    writeFileSync(stamp, digest);
  }
  return {
    run: (program, args, cwd) => runProgram(join(venv, 'bin', program), args, cwd),
    version: name => new RegExp(`^${name}==(\\S+)`, 'm').exec(wanted)?.[1] ?? 'unknown',
  };
}

/** Runs a command to its end, its output shown. @throws ConformanceError with the remedy when it fails. */
export function must(command: string, args: readonly string[], remedy: string, cwd?: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0)
    throw new ConformanceError(`${command} failed${error ? `: ${error.message}` : ''}. ${remedy}`);
}

/** Runs a program to its end and keeps what it says. */
export function runProgram(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', NO_COLOR: '1' };
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    err += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', code => done({ code, out, err }));
  });
}
