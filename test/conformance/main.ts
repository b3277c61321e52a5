/** `npm run conformance -- NAME`: a set of suites on the whole stack; writes its result and docs/conformance.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureNatsServer, ensureRedisServer, ToolError } from '../../deploy/local/tools.ts';
import { API } from './api/set.ts';
import { CLIENTS } from './clients/set.ts';
import { COMPOSE } from './compose/set.ts';
import { ENGINES } from './engines/set.ts';
import { KUBERNETES_SET } from './kubernetes/set.ts';
import { PACKAGE } from './package/set.ts';
import { conformancePage, type Results, unexplained } from './page.ts';
import { ConformanceError, countOf, type SuiteResult, type SuiteSet } from './suite.ts';
import { UPGRADE } from './upgrade/set.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/conformance.md');
const SETS: Readonly<Record<string, SuiteSet>> = {
  api: API,
  engines: ENGINES,
  clients: CLIENTS,
  compose: COMPOSE,
  kubernetes: KUBERNETES_SET,
  package: PACKAGE,
  upgrade: UPGRADE,
};

const say = (line: string) => process.stdout.write(`${line}\n`);

/** @returns whether every failure is explained. */
async function main(names: readonly string[]): Promise<boolean> {
  process.env['PENSTOCK_TEST_NATS_SERVER'] ??= await ensureNatsServer();
  process.env['PENSTOCK_TEST_REDIS_SERVER'] ??= await ensureRedisServer();
  let ok = true;
  for (const name of names) {
    const results = (await SETS[name]?.run(say)) ?? [];
    for (const result of results) report(result);
    const problems = unexplained(results);
    for (const problem of problems) say(`UNEXPLAINED  ${problem}`);
    if (problems.length === 0) {
      writeResults(name, results);
    } else ok = false;
  }
  const sets = Object.entries(SETS).map(
    ([name, set]): Results => ({ name, set, results: readResults(name) }),
  );
  writeFileSync(PAGE, conformancePage(sets));
  say('wrote docs/conformance.md');
  return ok;
}

function report(result: SuiteResult): void {
  const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map(status =>
    countOf(result, status),
  );
  say(`${result.suite}: ${passed} passed, ${failed} failed, ${skipped} skipped (${result.unit})`);
  if (result.log !== undefined) say(result.log);
}

function resultFile(name: string): string {
  return join(import.meta.dirname, 'results', `${name}.json`);
}

function writeResults(name: string, results: readonly SuiteResult[]): void {
  const fresh = results.map(({ log: _, ...result }) => result);
  const isFresh = ({ suite }: SuiteResult) => fresh.some(result => result.suite === suite);
  const others = SETS[name]?.partial ? readResults(name).filter(result => !isFresh(result)) : [];
  writeFileSync(resultFile(name), `${JSON.stringify([...others, ...fresh], null, 2)}\n`);
}

/** None where the set never ran to its end. */
function readResults(name: string): readonly SuiteResult[] {
  if (!existsSync(resultFile(name))) return [];
  return JSON.parse(readFileSync(resultFile(name), 'utf8')) as SuiteResult[];
}

/** Ends the process where the command line names no set. */
function setsFor(args: readonly string[]): readonly string[] {
  const known = Object.keys(SETS);
  if (args.length === 0) return known;
  if (args.every(name => known.includes(name))) return args;
  process.stderr.write(
    `penstock: npm run conformance -- ${known.join('|')}; without a name all of them run.\n`,
  );
  process.exit(2);
}

try {
  process.exitCode = (await main(setsFor(process.argv.slice(2)))) ? 0 : 1;
} catch (err) {
  if (!(err instanceof ConformanceError || err instanceof ToolError)) throw err;
  say(`penstock: ${err.message}`);
  process.exitCode = 1;
}
