#!/usr/bin/env node
// @ts-check
// Runs a TypeScript program of this repository on a Node that can (>= 24.12), with its npm packages in place. This is
// what `npm start`, `npm test` and the other scripts call, so it is plain JavaScript for whatever Node is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isNewEnough, LEAST_NODE } from './node-version.mjs';
import { endPrograms, runProgram, sayLine, startStep } from './progress.mjs';
import { withSetupLock } from './setup-lock.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const lock = join(root, '.tools', 'setup.lock');
/** What is installed where this Node is too old, with hashes. */
const NODE_LOCK = resolve(dirname(fileURLToPath(import.meta.url)), 'node');
/** For which it is. */
const NODE_PLATFORMS = ['linux-x64', 'linux-arm64'];
/** npm says a line for each package that it fetched. */
const NPM_FLAGS = ['--loglevel=http', '--no-audit', '--no-fund', '--no-update-notifier'];

/** The command line is wrong or something is missing: one line that names the remedy. */
class SetupError extends Error {}

/**
 * @param {string} what
 * @param {readonly string[]} args
 * @param {string} remedy What else may be done about a failure.
 * @param {NodeJS.ProcessEnv} env
 */
async function npm(what, args, remedy, env) {
  const step = startStep(what);
  let fetched = 0;
  const { ok, lines } = await runProgram('npm', [...args, ...NPM_FLAGS], {
    cwd: root,
    env,
    onLine: line => {
      if (/ (fetch|cache) .*\d+ms/.test(line) && !/attempt \d+ failed/.test(line)) fetched++;
      const trouble = /attempt \d+ failed with \w+/.exec(line);
      step.note(`${fetched} fetched${trouble === null ? '' : `, ${trouble[0]}`}`);
    },
  });
  step.end(ok ? 'done' : undefined);
  if (!ok) throw new SetupError(`${what} failed: ${whyNpmFailed(lines)}. ${remedy}`);
}

/** @param {readonly string[]} lines */
function whyNpmFailed(lines) {
  const said = lines.join('\n');
  if (/spawn npm ENOENT/.test(said)) return 'npm is not on the PATH';
  const network =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b/.exec(
      said,
    );
  if (network !== null)
    return `npm cannot reach its registry (${network[0]}; npm config get registry, proxy)`;
  const disk = /\b(ENOSPC|EACCES|EPERM|EROFS)\b/.exec(said);
  if (disk !== null) return `npm cannot write to ${root} (${disk[0]})`;
  const first = lines.find(line => /^npm error (?!code|errno|A complete log)/.test(line)) ?? lines.at(-1);
  return first?.replace(/^npm error /, '').trim() ?? 'npm gave no reason';
}

async function ensureNode() {
  if (isNewEnough(process.version)) return process.execPath;
  const prefix = join(root, '.tools', 'node');
  const bin = join(prefix, 'node_modules', 'node', 'bin', 'node');
  const mark = join(prefix, 'complete');
  const works = () =>
    existsSync(bin) && spawnSync(bin, ['-v'], { encoding: 'utf8' }).stdout?.startsWith('v24.');
  const done = () => existsSync(mark) && existsSync(bin);
  if (done()) return bin;
  const platform = `${process.platform}-${process.arch}`;
  if (!NODE_PLATFORMS.includes(platform))
    throw new SetupError(
      `this Node is ${process.version}: install ${LEAST_NODE} or newer (https://nodejs.org). On ${NODE_PLATFORMS.join(' and ')} that is done here`,
    );
  await withSetupLock(lock, async () => {
    if (done()) return;
    if (!works()) {
      mkdirSync(prefix, { recursive: true });
      for (const file of ['package.json', 'package-lock.json'])
        copyFileSync(join(NODE_LOCK, file), join(prefix, file));
      await npm(
        `installing Node into .tools, as this one is ${process.version}`,
        ['ci', '--prefix', prefix, '--ignore-scripts'],
        `Run this again, or install Node ${LEAST_NODE} or newer by hand.`,
        process.env,
      );
      symlinkSync(`node-${platform}`, join(prefix, 'node_modules', 'node'));
      if (!works()) throw new SetupError(`${bin} does not run. Install Node ${LEAST_NODE} or newer by hand.`);
    }
    writeFileSync(mark, '');
  });
  return bin;
}

/** @param {string} node */
async function ensurePackages(node) {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  const hash = createHash('sha256').update(lockfile).digest('hex');
  const mark = join(root, 'node_modules', '.penstock-lock-hash');
  const done = () => existsSync(mark) && readFileSync(mark, 'utf8') === hash;
  if (done()) return;
  await withSetupLock(lock, async () => {
    if (done()) return;
    await npm('installing npm packages', ['ci', '--ignore-scripts'], 'Run this again once that is mended.', {
      ...process.env,
      PATH: `${dirname(node)}:${process.env['PATH']}`,
    });
    writeFileSync(mark, hash);
  });
}

/** @param {string} node @param {string} script @param {readonly string[]} args */
function runScript(node, script, args) {
  const child = spawn(node, [resolve(root, script), ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${dirname(node)}:${process.env['PATH']}`,
      NODE_NO_WARNINGS: '1',
      // Each process starts several hundred modules, most of them TypeScript: kept compiled, they start with less CPU time.
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.tools', 'compile-cache'),
    },
  });
  // A terminal sends Ctrl-C to the child as well; a second one from here would make it give up its orderly end.
  onSignal = signal => signal !== 'SIGINT' && child.kill(signal);
  child.on('exit', (code, signal) => process.exit(signal ? 128 + 15 : (code ?? 1)));
}

/** While things are installed: what is half done is done again by the next start. @type {(signal: NodeJS.Signals) => void} */
let onSignal = signal => {
  endPrograms(signal);
  sayLine('stopped; the next start finishes what is missing');
  process.exit(signal === 'SIGINT' ? 130 : 143);
};
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => onSignal(signal));

const [script, ...args] = process.argv.slice(2);
try {
  if (script === undefined) throw new SetupError('usage: with-node.mjs <script.ts> [arguments]');
  const node = await ensureNode();
  await ensurePackages(node);
  runScript(node, script, args);
} catch (err) {
  const { code, path } = /** @type {NodeJS.ErrnoException} */ (err);
  if (err instanceof SetupError) sayLine(err.message);
  else if (code !== undefined && ['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(code))
    sayLine(
      `cannot write to ${path ?? root} (${code}): Node, servers and npm packages are installed into .tools and node_modules of this folder. Use a copy that you may write to.`,
    );
  else throw err;
  process.exit(1);
}
