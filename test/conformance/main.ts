/** `npm run conformance`: other people's suites against the whole stack; writes docs/conformance.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { takeNoArguments } from '../../deploy/local/no-arguments.ts';
import { ensureNatsServer, ensureRedisServer, ToolError } from '../../deploy/local/tools.ts';
import { API_KEY, startStack } from '../../testkit/stack.ts';
import { conformancePage, unexplained } from './page.ts';
import { ensurePython } from './python.ts';
import { ConformanceError, countOf, type SuiteResult } from './suite.ts';
import { SUITES } from './suites.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/conformance.md');
/** Suites receive webhooks on loopback. */
const ALLOW = { PENSTOCK_WEBHOOK_ALLOW: '127.0.0.1' };
const ENGINE = { profile: 'dense-8b-h100', listSentinels: true };

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<boolean> {
  process.env['PENSTOCK_TEST_NATS_SERVER'] ??= ensureNatsServer(say);
  process.env['PENSTOCK_TEST_REDIS_SERVER'] ??= ensureRedisServer(say);
  const python = ensurePython(say);
  const results: SuiteResult[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'penstock-conformance-'));
  await using stack = await startStack({ engines: [ENGINE, ENGINE], ingressEnv: ALLOW, tasksEnv: ALLOW });
  try {
    for (const suite of SUITES) {
      const result = await suite(python, { url: stack.url, apiKey: API_KEY, dir });
      const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map(status =>
        countOf(result, status),
      );
      say(`${result.suite}: ${passed} passed, ${failed} failed, ${skipped} skipped (${result.unit})`);
      if (result.log !== undefined) say(result.log);
      results.push(result);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const problems = unexplained(results);
  for (const problem of problems) say(`UNEXPLAINED  ${problem}`);
  if (problems.length > 0) return false;
  writeFileSync(PAGE, conformancePage(results));
  say('wrote docs/conformance.md');
  return true;
}

takeNoArguments('npm run conformance', 'It runs all suites and writes docs/conformance.md anew.');
try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (err) {
  if (!(err instanceof ConformanceError || err instanceof ToolError)) throw err;
  say(`penstock: ${err.message}`);
  process.exitCode = 1;
}
