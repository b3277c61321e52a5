/** `npm test`: brings the servers, then lint, types, unit tests and the tests on real servers; then looks for leaks. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { takeNoArguments } from '../deploy/local/no-arguments.ts';
import { ensureNatsServer, ensureRedisServer } from '../deploy/local/tools.ts';
import { checks, runStages } from './stages.ts';

takeNoArguments('npm test', 'It runs all tests; for one file see CONTRIBUTING.md.');
const say = (line: string) => process.stdout.write(`${line}\n`);
/** In the environment of everything the run starts, so that what outlives it can be found. */
const run = randomUUID();
const env = {
  PENSTOCK_TEST_RUN: run,
  PENSTOCK_TEST_NATS_SERVER: ensureNatsServer(say),
  PENSTOCK_TEST_REDIS_SERVER: ensureRedisServer(say),
};
const UNIT = ['libs', 'services', 'deploy', 'loadtest'].map(room => `${room}/**/*.test.ts`);

const passed = await runStages([
  ...checks(),
  { name: 'unit', args: ['--test', '--test-reporter=spec', ...UNIT], env },
  {
    name: 'servers',
    args: ['--test', '--test-reporter=spec', '--test-concurrency=2', 'test/**/*.test.ts'],
    env,
  },
]);
const leaked = leakedProcesses();
for (const process of leaked) say(`LEAKED  ${process}`);
process.exit(passed && leaked.length === 0 ? 0 : 1);

/** Processes of this run that are still there. Linux only; elsewhere nothing is found. */
function leakedProcesses(): string[] {
  return listProc().flatMap(pid => {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, 'latin1');
      if (!environ.includes(`PENSTOCK_TEST_RUN=${run}`)) return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`];
    } catch {
      return [];
    }
  });
}

function listProc(): string[] {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name) && name !== String(process.pid));
  } catch {
    return [];
  }
}
