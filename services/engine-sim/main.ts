/** A process with one or several simulated engines. A signal ends it at once: engines die like that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfigOrExit } from '@penstock/runtime/read-config';
import { buildEngine } from './api/server.ts';
import { enginesToStart, simConfig } from './config.ts';

const config = readConfigOrExit(simConfig);
await sleep(config.PENSTOCK_SIM_START_MS);
const engines = await Promise.all(
  enginesToStart(config).map(async ({ port, options }) => {
    const engine = buildEngine(options);
    await engine.listen(port, config.PENSTOCK_SIM_HOST);
    return engine;
  }),
);
for (const { url, profile } of engines)
  process.stdout.write(`${JSON.stringify({ msg: 'engine listening', url, profile })}\n`);

const stop = (): void => {
  void Promise.all(engines.map(engine => engine.close())).then(() => process.exit(0));
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
