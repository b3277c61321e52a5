/**
 * `npm test`: brings the servers, then lint, types, unit tests and the tests on real servers; then looks for leaks.
 * `npm test -- FILE [TEST]`: one file, or one test of its top level, with the same servers.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ensureNatsServer, ensureRedisServer } from '../deploy/local/tools.ts';
import { checks, groupedTests, runStages, type Stage, tests } from './stages.ts';
import { testFiles } from './test-run.ts';

const UNIT = ['libs', 'services', 'deploy', 'loadtest'].map(room => `${room}/**/*.test.ts`);

const stages = stagesFor(process.argv.slice(2));
/** In the environment of everything the run starts, so that what outlives it can be found. */
const run = randomUUID();
Object.assign(process.env, {
  PENSTOCK_TEST_RUN: run,
  PENSTOCK_TEST_NATS_SERVER: await ensureNatsServer(),
  PENSTOCK_TEST_REDIS_SERVER: await ensureRedisServer(),
});
process.exit((await runStages(stages, leakedProcesses)) ? 0 : 1);

/** Ends the process where the command line names no test file. */
function stagesFor([file, only, ...more]: readonly string[]): Stage[] {
  if (file === undefined)
    return [
      ...checks(),
      // One more than cores: some wait for the network.
      groupedTests('unit', testFiles(...UNIT), availableParallelism() + 1),
      // Two cores are two thirds busy with three files at a time: much of a file is waiting, for what a process does late on purpose.
      tests('servers', { files: testFiles('test/**/*.test.ts'), concurrency: 2 * availableParallelism() }),
    ];
  if (file.endsWith('.test.ts') && existsSync(file) && more.length === 0)
    return [tests('alone', { files: [file], concurrency: 1, only })];
  process.stderr.write(`penstock: ${file} is not a test file. Usage: npm test [-- FILE [TEST]]\n`);
  process.exit(2);
}

/** Processes of this run that are still there. Linux only; elsewhere nothing is found. */
function leakedProcesses(): string[] {
  return listProc().flatMap(pid => {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, 'latin1');
      if (!environ.includes(`PENSTOCK_TEST_RUN=${run}`)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      return [`left running after the tests: ${pid} ${command}`];
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
