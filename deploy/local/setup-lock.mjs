// @ts-check
/** One set-up at a time in a checkout: a second one waits for the first and then finds everything done. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startStep } from './progress.mjs';

const LOOK_MS = 200;
/** Whoever is at work shows it this often: its process id alone may have gone to another program. */
const TOUCH_MS = 2000;
const STALE_MS = 60_000;

/**
 * @param {string} lock Path of a directory that is there while somebody is at work.
 * @param {() => Promise<void>} work
 */
export async function withSetupLock(lock, work) {
  mkdirSync(dirname(lock), { recursive: true });
  await take(lock);
  const release = () => discard(lock);
  process.once('exit', release);
  const touch = setInterval(() => utimesSync(lock, new Date(), new Date()), TOUCH_MS);
  try {
    await work();
  } finally {
    clearInterval(touch);
    release();
    process.off('exit', release);
  }
}

/** @param {string} lock */
async function take(lock) {
  /** @type {import('./progress.mjs').Step | null} */
  let waiting = null;
  // Made under another name, so that it has its owner from the moment that it is there: who is killed meanwhile leaves no lock of nobody.
  const made = `${lock}.${process.pid}`;
  const remove = () => rmSync(made, { recursive: true, force: true });
  remove();
  process.once('exit', remove);
  mkdirSync(made);
  writeFileSync(join(made, 'owner'), `${process.pid}\n`);
  for (;;) {
    try {
      // Takes the place of an empty directory too: of one that nobody owns.
      renameSync(made, lock);
      break;
    } catch (err) {
      if (codeOf(err) !== 'ENOTEMPTY' && codeOf(err) !== 'EEXIST') throw err;
    }
    if (isLeftBehind(lock)) discard(lock);
    else {
      waiting ??= startStep(`waiting for process ${ownerOf(lock) ?? ''}, which installs here`);
      await sleep(LOOK_MS);
    }
  }
  waiting?.end();
  process.off('exit', remove);
}

/** In one step too: a lock that is being removed file by file would be one of nobody. @param {string} lock */
function discard(lock) {
  const gone = `${lock}.${process.pid}.gone`;
  try {
    renameSync(lock, gone);
  } catch (err) {
    if (codeOf(err) !== 'ENOENT') throw err;
  }
  rmSync(gone, { recursive: true, force: true });
}

/** @param {string} lock */
function ownerOf(lock) {
  try {
    return Number(readFileSync(join(lock, 'owner'), 'utf8')) || null;
  } catch {
    return null; // It has just been given up.
  }
}

/** By a process that was killed. @param {string} lock */
function isLeftBehind(lock) {
  try {
    if (Date.now() - statSync(lock).mtimeMs > STALE_MS) return true;
    const owner = ownerOf(lock);
    if (owner !== null) process.kill(owner, 0);
    return false;
  } catch (err) {
    return codeOf(err) === 'ESRCH';
  }
}

/** @param {unknown} err */
function codeOf(err) {
  return /** @type {NodeJS.ErrnoException} */ (err).code;
}
