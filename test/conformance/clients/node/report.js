/**
 * Runs named checks of a client and prints one line of JSON for each. Used by the scripts beside it, which are called as
 * NAME.js BASE_URL API_KEY, where BASE_URL is without /v1.
 */
import assert from 'node:assert/strict';

export const [, , ORIGIN, API_KEY] = process.argv;
export const BASE_URL = `${ORIGIN}/v1`;
export const CHAT = 'sim-chat';
export const EMBED = 'sim-embed';

export const weather = ({ city }) => `rain in ${city}`;

export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    const detail = await Promise.resolve()
      .then(check)
      .then(
        () => '',
        error => `${error.name}: ${error.message}`.split('\n').slice(0, 3).join(' ').slice(0, 400),
      );
    console.log(JSON.stringify({ name, status: detail ? 'failed' : 'passed', detail }));
  }
  // Clients keep connections open.
  process.exit(0);
}

/** Collects what an async iterable yields. */
export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

export { assert };
