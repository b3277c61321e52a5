/** The fleet both sides race on: one process for each simulated engine, fresh for every run. */
import { type ServiceProcess, startService } from '../../testkit/process.ts';
import type { FleetEvent, Scenario } from '../workloads/scenarios.ts';
import { BLOCK_TOKENS } from '../workloads/trace.ts';

export const MODEL = 'sim-chat';

export interface EngineFleet {
  readonly urls: readonly string[];
  happen(event: FleetEvent): void;
  /** Prompt tokens each engine computed. */
  computed(): Promise<number[]>;
  stop(): Promise<void>;
}

export async function startEngines(scenario: Scenario, speed: number): Promise<EngineFleet> {
  const engines = await Promise.all(
    scenario.fleet.map(slowdown => startEngine(scenario.profile, slowdown, speed)),
  );
  return {
    urls: engines.map(({ url }) => url),
    happen: event => {
      const engine = engines[event.engine];
      if (engine === undefined) return;
      if (event.kind === 'kill') engine.process.kill('SIGKILL');
      else void post(`${engine.url}/sim/slowdown`, { factor: event.factor });
    },
    computed: () => Promise.all(engines.map(({ url }) => computedBy(url))),
    stop: async () => void (await Promise.all(engines.map(({ process }) => process.stop()))),
  };
}

async function startEngine(profile: string, slowdown: number, speed: number) {
  let url = '';
  const engine = { profile, slowdown, timeScale: speed, blockTokens: BLOCK_TOKENS, models: [MODEL] };
  const process: ServiceProcess = await startService(
    'engine-sim',
    { PENSTOCK_SIM_ENGINES: JSON.stringify([engine]), PENSTOCK_SIM_PORT: '0' },
    {
      readyWhen: line => {
        url = /"url":"([^"]+)"/.exec(line)?.[1] ?? '';
        return url !== '';
      },
    },
  );
  return { url, process };
}

async function computedBy(url: string): Promise<number> {
  const answer = await fetch(`${url}/sim/stats?ids=0`).catch(() => null);
  if (answer === null) return 0;
  const stats = (await answer.json()) as { promptTokens: number; cachedTokens: number };
  return stats.promptTokens - stats.cachedTokens;
}

async function post(url: string, body: object): Promise<void> {
  await fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
}
