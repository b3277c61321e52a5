/** `npm run chaos`: the chaos tests with their full numbers, in minutes. */
import { takeNoArguments } from '../../deploy/local/no-arguments.ts';
import { ensureNatsServer, ensureRedisServer } from '../../deploy/local/tools.ts';
import { runStages, tests } from '../stages.ts';
import { testFiles } from '../test-run.ts';

takeNoArguments('npm run chaos', 'It runs all of test/chaos, for a minute or two.');
Object.assign(process.env, {
  PENSTOCK_CHAOS: 'full',
  PENSTOCK_TEST_NATS_SERVER: await ensureNatsServer(),
  PENSTOCK_TEST_REDIS_SERVER: await ensureRedisServer(),
});
const chaos = tests('chaos', { files: testFiles('test/chaos/*.test.ts'), concurrency: 1 });
process.exit((await runStages([chaos])) ? 0 : 1);
