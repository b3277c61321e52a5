/** The environment of a process whose wall clock is wrong. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'wrong-clock.ts')).href;

export function wallClockAhead(ms: number): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, PENSTOCK_TEST_CLOCK_AHEAD_MS: String(ms) };
}

/** A clock that is ahead by as much as a file says, ms, whenever that changes. */
export function wallClockOf(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, PENSTOCK_TEST_CLOCK_FILE: file };
}
