/**
 * `node loadtest/k6-runner/bench/main.ts`: how much one runner can do, against a trivial server in another process. The result
 * goes to `loadtest/results/runner.json`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Summary } from '../report/summary.ts';
import { run } from '../run.ts';

const here = (path: string) => new URL(path, import.meta.url).pathname;
const RESULT = here('../../results/runner.json');

interface Case {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}
const CASES: readonly Case[] = [
  { name: 'unary, as fast as 64 VUs can', env: { MODE: 'unary', VUS: '64' } },
  { name: 'unary, 3,000 a second on schedule', env: { MODE: 'rate', RATE: '3000' } },
  { name: 'streams, 1,200 VUs with a token every 20 ms', env: { MODE: 'stream', VUS: '1200' } },
];

const server = spawn(process.execPath, [here('server.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
const [port] = (await once(server.stdout, 'data')) as [Buffer];
const results = [];
for (const { name, env } of CASES) {
  const target = `http://127.0.0.1:${String(port).trim()}`;
  const options = { stderr: process.stderr, env: { ...env, TARGET: target } };
  await run(here('load.ts'), { ...options, env: { ...options.env, SECONDS: '3' } });
  const { summary, problems } = await run(here('load.ts'), options);
  if (summary === null) throw new Error(problems.join('; '));
  const result = { name, problems, ...figures(summary) };
  results.push(result);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
server.kill();
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
writeFileSync(RESULT, `${JSON.stringify({ ...machine, results }, null, 2)}\n`);

function figures({ metrics, generator, state }: Summary) {
  const seconds = state.testRunDurationMs / 1000;
  const countOf = (metric: string) => metrics[metric]?.values['count'] ?? 0;
  return {
    requestsPerSecond: Math.round(countOf('http_reqs') / seconds),
    // Not all streams have ended; those that have, had 50 tokens each.
    chunksPerSecond: Math.round(
      (countOf('iterations') * (metrics['llm_itl'] === undefined ? 0 : 50)) / seconds,
    ),
    durationP99Ms: metrics['http_req_duration']?.values['p(99)'] ?? 0,
    generatorCpu: Number(generator.cpu.toFixed(2)),
    lateStartP99Ms: Number(generator.lateStartP99Ms.toFixed(2)),
  };
}
