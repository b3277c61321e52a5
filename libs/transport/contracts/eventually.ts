import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 5000;

/** Resolves once the condition holds. @throws Error after five seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${LIMIT_MS} ms for ${condition.toString()}`);
    await sleep(2);
  }
}
