/** A thousand seeds in which everything holds, and fixes of the product that are missed as soon as they are taken out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEATHS, MUTATIONS } from './mutations.ts';
import { planOf } from './plan.ts';
import { runSeeds } from './seeds.ts';
import { explain } from './shrink.ts';

const SEEDS = 1000;
/** Within so many seeds a fix is missed that is not there. */
const MISSED_WITHIN = 300;

test(`whatever is killed, cut or refused: nothing lost, mixed or stuck in ${SEEDS} seeds`, async t => {
  const { failing, seeds, events, ms, ends } = await runSeeds(1, SEEDS);
  t.diagnostic(
    `${seeds} seeds, ${events} events, ${Math.round(ms / 1000)} s of simulated time, ${JSON.stringify(ends)}`,
  );
  const [first] = failing;
  if (first !== undefined) assert.fail(`${failing.length} seeds fail\n${await explain(planOf(first.seed))}`);
});

test('a stream goes on within two seconds of the death of its worker', async () => {
  const { failing } = await runSeeds(1, SEEDS / 10, { name: 'none', changes: [], focus: DEATHS });
  const [first] = failing;
  if (first !== undefined) assert.fail(await explain(planOf(first.seed, DEATHS)));
});

for (const mutation of MUTATIONS)
  test(`it is noticed that ${mutation.name}`, async t => {
    const { failing, seeds } = await runSeeds(1, MISSED_WITHIN, mutation, 1);
    const [found] = failing;
    assert.ok(found, `not in ${seeds} seeds`);
    const rules = new Set(found.violations.map(({ rule }) => rule));
    t.diagnostic(`seed ${found.seed}: ${[...rules].join(', ')}`);
  });
