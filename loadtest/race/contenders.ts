/** Who races: Penstock, and SGLang's router with each of its policies. All stand in front of the same engines. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../testkit/ports.ts';
import { startProcess } from '../../testkit/process.ts';
import { API_KEY, startStack } from '../../testkit/stack.ts';
import type { ReplayTarget } from './replay.ts';

export interface Running extends ReplayTarget {
  /** The worker in front of an engine dies with it. */
  lose(engine: number): void;
  stop(): Promise<void>;
}

export type Contender = (engineUrls: readonly string[], speed: number) => Promise<Running>;

/** Something is missing that the user can bring. */
export class RaceError extends Error {
  override readonly name = 'RaceError';
}

/** Of the benchmark's own; `PENSTOCK_RACE_VENV` names another one. */
const VENV = resolve(
  process.env['PENSTOCK_RACE_VENV'] ?? resolve(import.meta.dirname, '../../.tools/race-venv'),
);
const PYTHON = resolve(VENV, 'bin/python');
const ROUTER = 'sglang-router==0.3.2';
const READY_LIMIT_MS = 60_000;

const penstock: Contender = async (engineUrls, speed) => {
  const stack = await startStack({
    engineUrls,
    workerEnv: { PENSTOCK_SLOTS: '64' },
    // Everything else is as in production; this wait is meant in seconds of the engines' time.
    ingressEnv: { PENSTOCK_AFFINITY_WAIT_MS: String(Math.ceil(250 / speed)) },
  });
  return {
    url: stack.url,
    headers: { authorization: `Bearer ${API_KEY}` },
    lose: engine => stack.workers[engine]?.kill('SIGKILL'),
    stop: () => stack[Symbol.asyncDispose](),
  };
};

const sglang =
  (policy: string): Contender =>
  async engineUrls => {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const own = ['--host', '127.0.0.1', '--port', String(port), '--prometheus-port', String(metricsPort)];
    const args = [
      '-m',
      'sglang_router.launch_router',
      ...own,
      '--policy',
      policy,
      '--worker-urls',
      ...engineUrls,
    ];
    const router = await startProcess(PYTHON, args, { readyWhen: () => true });
    const url = `http://127.0.0.1:${port}`;
    await whenHealthy(url, router.output);
    return { url, headers: {}, lose: () => {}, stop: () => router.stop() };
  };

async function whenHealthy(url: string, output: readonly string[]): Promise<void> {
  const end = performance.now() + READY_LIMIT_MS;
  while (performance.now() < end) {
    const answer = await fetch(`${url}/readiness`).catch(() => null);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new RaceError(`SGLang's router was not ready in time:\n${output.slice(-20).join('\n')}`);
}

export const CONTENDERS: Readonly<Record<string, Contender>> = {
  penstock,
  'sglang-cache_aware': sglang('cache_aware'),
  'sglang-power_of_two': sglang('power_of_two'),
  'sglang-round_robin': sglang('round_robin'),
};

/** @throws RaceError that says how to install what the contenders need. */
export function assertInstalled(names: readonly string[]): void {
  if (names.some(name => name.startsWith('sglang')) && !existsSync(PYTHON))
    throw new RaceError(
      `no ${ROUTER} to race against; run: python3 -m venv ${VENV} && ${VENV}/bin/pip install ${ROUTER}`,
    );
}

/** @throws RangeError that lists the names there are. */
export function contenderOf(name: string): Contender {
  const contender = Object.hasOwn(CONTENDERS, name) ? CONTENDERS[name] : undefined;
  if (contender === undefined)
    throw new RangeError(`no contender ${name}; there are ${Object.keys(CONTENDERS).join(', ')}`);
  return contender;
}
