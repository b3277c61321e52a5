#!/usr/bin/env node
// Runs a TypeScript program of this repository on a Node that can (>= 24.12), with its npm packages in place. This is
// what `npm start`, `npm test` and the other scripts call, so it is plain JavaScript for whatever Node is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isNewEnough, LEAST_NODE } from './node-version.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const NODE_PACKAGE = 'node@24.21.0';
/** A lock older than this belongs to nobody any more. */
const STALE_LOCK_MS = 10 * 60_000;

function say(text) {
  process.stderr.write(`penstock: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

function npm(args, nodeDir) {
  const env = { ...process.env, PATH: nodeDir ? `${nodeDir}:${process.env.PATH}` : process.env.PATH };
  const done = spawnSync('npm', args, {
    cwd: root,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return done.status === 0
    ? null
    : `${done.stderr || done.stdout || done.error}`.trim().split('\n').slice(-5).join('\n');
}

/** One set-up at a time in a checkout: a second one waits for the first and then finds everything done. */
function withLock(work) {
  const lock = join(root, '.tools', 'setup.lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
      if (age > STALE_LOCK_MS) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.once('exit', release);
  work();
  release();
  process.off('exit', release);
}

function ensureNode() {
  if (isNewEnough(process.version)) return process.execPath;
  const prefix = join(root, '.tools', 'node');
  const bin = join(prefix, 'node_modules', 'node', 'bin', 'node');
  const works = () =>
    existsSync(bin) && spawnSync(bin, ['-v'], { encoding: 'utf8' }).stdout.startsWith('v24.');
  if (existsSync(bin)) return bin;
  withLock(() => {
    if (works()) return;
    say(`this Node is ${process.version}; installing ${NODE_PACKAGE} into .tools/node`);
    mkdirSync(prefix, { recursive: true });
    // It needs its own package.json: npm would climb to the repository's otherwise.
    writeFileSync(join(prefix, 'package.json'), '{"private":true,"allowScripts":{"node":true}}\n');
    const problem = npm(['install', '--prefix', prefix, '--no-save', '--ignore-scripts=false', NODE_PACKAGE]);
    if (problem !== null || !works()) {
      fail(
        `could not install Node 24. Install Node >= ${LEAST_NODE} by hand and run this again.\n${problem ?? ''}`,
      );
    }
  });
  return bin;
}

function ensurePackages(node) {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  const hash = createHash('sha256').update(lockfile).digest('hex');
  const mark = join(root, 'node_modules', '.penstock-lock-hash');
  const done = () => existsSync(mark) && readFileSync(mark, 'utf8') === hash;
  if (done()) return;
  withLock(() => {
    if (done()) return;
    say('installing npm packages from package-lock.json');
    const problem = npm(['ci', '--ignore-scripts'], dirname(node));
    if (problem !== null) fail(`npm ci failed. Try it by hand in the repository's folder.\n${problem}`);
    writeFileSync(mark, hash);
  });
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail('usage: with-node.mjs <script.ts> [arguments]');
const node = ensureNode();
ensurePackages(node);

const child = spawn(node, [resolve(root, script), ...args], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH}`,
    NODE_NO_WARNINGS: '1',
    // Each process starts several hundred modules, most of them TypeScript: kept compiled, that takes half the CPU time.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.tools', 'compile-cache'),
  },
});
// A terminal sends Ctrl-C to the child as well; a second one from here would make it give up its orderly end.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 128 + 15 : (code ?? 1)));
