/** The stages of a test run and how one is run. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');

export interface Stage {
  readonly name: string;
  /** Arguments for Node. */
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
}

export function checks(): Stage[] {
  return [
    { name: 'lint', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
    { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json'] },
    // The k6 scripts run on k6, not on Node: their globals are other ones.
    {
      name: 'k6 types',
      args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'loadtest/k6/tsconfig.json'],
    },
  ];
}

/** Runs all stages, also after one failed. @returns whether every one passed. */
export async function runStages(stages: readonly Stage[]): Promise<boolean> {
  const results: { name: string; ok: boolean; seconds: string }[] = [];
  for (const stage of stages) {
    process.stdout.write(`\n── ${stage.name} ──\n`);
    const startedAt = performance.now();
    const ok = await run(stage);
    results.push({ name: stage.name, ok, seconds: ((performance.now() - startedAt) / 1000).toFixed(1) });
  }
  process.stdout.write('\n');
  for (const { name, ok, seconds } of results) {
    process.stdout.write(`${ok ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${seconds} s\n`);
  }
  return results.every(result => result.ok);
}

function run(stage: Stage): Promise<boolean> {
  const child = spawn(process.execPath, stage.args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...stage.env },
  });
  return new Promise(done => child.on('exit', code => done(code === 0)));
}
