/** `npm run chaos`: the chaos tests with their full numbers, in minutes. */
import { takeNoArguments } from '../../deploy/local/no-arguments.ts';
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { runStages } from '../stages.ts';

takeNoArguments('npm run chaos', 'It runs all of test/chaos, for a minute or two.');
const say = (line: string) => process.stdout.write(`${line}\n`);
const env = {
  PENSTOCK_CHAOS: 'full',
  PENSTOCK_TEST_NATS_SERVER: ensureNatsServer(say),
  PENSTOCK_TEST_REDIS_SERVER: ensureRedisServer(say),
};
const args = ['--test', '--test-reporter=spec', 'test/chaos/*.test.ts'];
process.exit((await runStages([{ name: 'chaos', args, env }])) ? 0 : 1);
