/** A Python of its own for the suites: made once, from pinned packages, in `.tools/conformance-venv`. */
import { spawn, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConformanceError } from './suite.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VENV = join(ROOT, '.tools/conformance-venv');
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
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

/** @throws ConformanceError that says what to install. */
export function ensurePython(say: (line: string) => void): Python {
  const wanted = readFileSync(REQUIREMENTS, 'utf8');
  const stamp = join(VENV, 'requirements.sha256');
  const digest = hash('sha256', wanted);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
    say('installing the suites with pip (about a minute, once)');
    rmSync(VENV, { recursive: true, force: true });
    must(
      'python3',
      ['-m', 'venv', VENV],
      'Install Python 3.10 or newer with venv (Debian: apt-get install python3-venv).',
    );
    must(join(VENV, 'bin/pip'), ['install', '-q', '-r', REQUIREMENTS], 'pip needs its package index.');
    writeFileSync(stamp, digest);
  }
  return {
    run: (program, args, cwd) => run(join(VENV, 'bin', program), args, cwd),
    version: name => new RegExp(`^${name}==(.+)$`, 'm').exec(wanted)?.[1] ?? 'unknown',
  };
}

function must(command: string, args: readonly string[], remedy: string): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0)
    throw new ConformanceError(`${command} failed${error ? `: ${error.message}` : ''}. ${remedy}`);
}

function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
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
