/** `npm run chaos`: what holds while everything is killed, cut and refused; in a simulation, or on real servers. */
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { runStages, tests } from '../stages.ts';
import { testFiles } from '../test-run.ts';
import { type ChaosCommand, readArguments, USAGE } from './arguments.ts';
import { simulateSeeds } from './simulation/command.ts';

const command = commandOrExit();
if (command.kind === 'simulate') process.exit((await simulateSeeds(command)) ? 0 : 1);
Object.assign(process.env, {
  PENSTOCK_TEST_NATS_SERVER: await ensureNatsServer(),
  PENSTOCK_TEST_REDIS_SERVER: await ensureRedisServer(),
});
if (command.kind === 'run') {
  const { runHarness } = await import('./harness/harness.ts');
  process.exit((await runHarness(command)) ? 0 : 1);
}
process.env['PENSTOCK_CHAOS'] = 'full';
const chaos = tests('chaos', { files: testFiles('test/chaos/**/*.test.ts'), concurrency: 1 });
process.exit((await runStages([chaos])) ? 0 : 1);

function commandOrExit(): ChaosCommand {
  try {
    return readArguments(process.argv.slice(2));
  } catch (err) {
    const [why = ''] = (err as Error).message.split(/\. |\n/);
    process.stderr.write(`penstock: ${why}. Usage: ${USAGE}\n`);
    process.exit(2);
  }
}
