/**
 * A worker and the simulated engine it serves, in one container: what stands for a machine with a GPU where there is none. The engine
 * lives as long as the worker needs it to finish what it runs; if the engine ends by itself, so does the container.
 */
import { spawn } from 'node:child_process';
import { serviceArguments } from '@penstock/runtime/installation';

const { port, hostname } = new URL(process.env['PENSTOCK_ENGINE_URL'] ?? 'http://127.0.0.1:8000');

function start(service: string, env: Readonly<Record<string, string | undefined>>) {
  return spawn(process.execPath, serviceArguments(service), { stdio: 'inherit', env });
}

/** The engine speaks to nobody, and gets none of the worker's secrets. */
const ofEngine = Object.entries(process.env).filter(
  ([name]) => !name.startsWith('PENSTOCK_') || name.startsWith('PENSTOCK_SIM_'),
);
const engine = start('engine-sim', {
  ...Object.fromEntries(ofEngine),
  ...{ PENSTOCK_SIM_HOST: hostname, PENSTOCK_SIM_PORT: port },
});
const worker = start('worker', process.env);
engine.on('exit', () => worker.kill('SIGTERM'));
worker.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1);
  engine.kill('SIGTERM');
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => worker.kill(signal));
