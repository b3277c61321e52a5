/**
 * A worker and its simulated engine, as one process of the driver `process`. The engine lives as long as the worker needs it to finish what it
 * runs. Both end when whoever started them does: their input ends then.
 */
import { spawn } from 'node:child_process';
import { serviceArguments } from '@penstock/runtime/installation';
import { engineEnvironment } from './environment.ts';

function start(service: string, env: Readonly<Record<string, string | undefined>>) {
  return spawn(process.execPath, serviceArguments(service), { stdio: ['ignore', 'inherit', 'inherit'], env });
}

const engine = start('engine-sim', engineEnvironment(process.env));
const worker = start('worker', process.env);
engine.on('exit', () => worker.kill('SIGTERM'));
worker.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1);
  engine.kill('SIGTERM');
  process.stdin.destroy();
});
const end = () => worker.kill('SIGTERM');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
process.stdin.resume();
for (const event of ['end', 'error'] as const) process.stdin.on(event, end);
