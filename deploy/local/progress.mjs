// @ts-check
/**
 * Says what a long step is doing, so that nobody wonders whether it hangs: on a terminal in one line that changes, elsewhere in
 * a line every three seconds. Plain JavaScript: with-node.mjs runs on whatever Node is installed.
 */
import { spawn } from 'node:child_process';

const EVERY_MS = { terminal: 250, lines: 3000 };
/** Of a program that failed, this many of its last lines are kept. */
const KEPT_LINES = 40;
const CLEAR = '\r\x1b[2K';

/**
 * @typedef {object} Step
 * @property {(text: string) => void} note How far it is.
 * @property {(result?: string) => void} end Says how it ended; without a result nothing is said.
 */

/**
 * @typedef {object} Shown What a program said, and whether it succeeded.
 * @property {boolean} ok
 * @property {readonly string[]} lines The last ones, of both outputs.
 */

/** @type {Set<() => void>} */
const clearOthers = new Set();
/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

/** A line that stays; what changes is below it. @param {string} line */
export function sayLine(line, out = process.stderr) {
  for (const clear of clearOthers) clear();
  out.write(`penstock: ${line}\n`);
}

/** @param {string} what @returns {Step} */
export function startStep(what, out = process.stderr) {
  const onTerminal = Boolean(out.isTTY) && process.env['TERM'] !== 'dumb';
  const startedAt = performance.now();
  const seconds = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  let noted = '';
  const draw = () => {
    const line = `penstock: ${what}: ${noted === '' ? '' : `${noted}, `}${seconds()}`;
    if (onTerminal) out.write(`${CLEAR}${line.slice(0, (out.columns || 80) - 1)}`);
    else out.write(`${line}\n`);
  };
  const clear = () => void (onTerminal && out.write(CLEAR));
  if (onTerminal) draw();
  else out.write(`penstock: ${what}\n`);
  clearOthers.add(clear);
  const timer = setInterval(draw, onTerminal ? EVERY_MS.terminal : EVERY_MS.lines);
  return {
    note: text => {
      noted = text;
    },
    end: result => {
      clearInterval(timer);
      clearOthers.delete(clear);
      clear();
      if (result !== undefined) out.write(`penstock: ${what}: ${result}, ${seconds()}\n`);
    },
  };
}

/**
 * Runs a program to its end as part of a step.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, onLine?: (line: string) => void }} options
 * @returns {Promise<Shown>}
 */
export function runProgram(command, args, { env = process.env, cwd, onLine = () => {} } = {}) {
  return new Promise(resolve => {
    const child = spawn(command, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    /** @type {string[]} */
    const lines = [];
    for (const output of [child.stdout, child.stderr]) {
      let rest = '';
      output.setEncoding('utf8').on('data', text => {
        const parts = `${rest}${text}`.split(/\r?\n/);
        rest = parts.pop() ?? '';
        for (const line of parts.filter(part => part.trim() !== '')) {
          lines.push(line);
          if (lines.length > KEPT_LINES) lines.shift();
          onLine(line);
        }
      });
    }
    child.on('error', err => {
      children.delete(child);
      resolve({ ok: false, lines: [...lines, err.message] });
    });
    child.on('close', code => {
      children.delete(child);
      resolve({ ok: code === 0, lines });
    });
  });
}

/** Ends what {@link runProgram} has started. @param {NodeJS.Signals} signal */
export function endPrograms(signal) {
  for (const child of children) child.kill(signal);
}
