/** The suites, each against a running stack. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OPERATIONS } from '@penstock/protocol/openapi';
import type { Python, Ran } from '../programs.ts';
import { type CaseResult, ConformanceError, type SuiteResult } from '../suite.ts';
import { overlay } from './overlay.ts';
import type { Target } from './target.ts';

export type Suite = (python: Python, target: Target) => Promise<SuiteResult>;

function parse<T>({ code, out, err }: Ran, what: string, text = out): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ConformanceError(`${what} left with ${code} and no result.\n${err.slice(-2000)}`);
  }
}

const openaiPython: Suite = async (python, { url, apiKey, dir }) => {
  const script = resolve(import.meta.dirname, 'openai_client.py');
  const ran = await python.run('python', [script, url, apiKey], dir);
  if (ran.code !== 0) throw new ConformanceError(`${script} left with ${ran.code}.\n${ran.err.slice(-2000)}`);
  const cases = ran.out
    .trim()
    .split('\n')
    .map(line => parse<CaseResult>(ran, script, line));
  const judge = `openai ${python.version('openai')} (Python), \`_strict_response_validation=True\``;
  return { suite: 'openai-python', judge, unit: 'calls', cases };
};

interface Complied {
  readonly results: {
    readonly id: string;
    readonly status: CaseResult['status'];
    readonly errors?: readonly string[];
    readonly warnings?: readonly string[];
  }[];
}

function llmComply(format: 'open-responses' | 'openai-chat'): Suite {
  return async (python, { url, apiKey, dir }) => {
    const args = ['-u', `${url}/v1`, '-k', apiKey, '-m', 'sim-chat', '--format', format, '--json'];
    const ran = await python.run('llm-comply', args, dir);
    const cases = parse<Complied>(ran, 'llm-comply').results.map(
      ({ id, status, errors = [], warnings = [] }) => ({
        name: id,
        status,
        detail: [...errors, ...warnings].join('; '),
      }),
    );
    const judge = `llm-comply ${python.version('llm-comply')} \`--format ${format}\``;
    return { suite: `llm-comply ${format}`, judge, unit: 'tests', cases };
  };
}

interface Fuzzed {
  readonly operations: { readonly tested: number };
  readonly failures: {
    readonly code: string;
    readonly title: string;
    readonly operations: readonly string[];
  }[];
  readonly errors: readonly unknown[];
}

const schemathesis: Suite = async (python, target) => {
  const { url, apiKey, dir } = target;
  writeFileSync(join(dir, 'openapi.json'), JSON.stringify(await overlay(target)));
  const ran = await python.run(
    'schemathesis',
    [
      ...['run', 'openapi.json', '-u', url, '-H', `Authorization: Bearer ${apiKey}`],
      ...['--phases', 'examples,coverage,fuzzing,stateful', '-n', '20', '--generation-deterministic'],
      ...['--checks', 'all', '--exclude-checks', 'positive_data_acceptance', '--continue-on-failure'],
      ...['--report', 'json', '--report-json-path', 'report.json'],
    ],
    dir,
  );
  const report = parse<Fuzzed>(ran, 'schemathesis', read(join(dir, 'report.json')));
  if (report.errors.length > 0 || report.operations.tested !== OPERATIONS.length)
    throw new ConformanceError(`schemathesis did not test every operation.\n${ran.out.slice(-3000)}`);
  const failed = report.failures.flatMap(({ code, title, operations }) =>
    operations.map(where => ({ where, what: `${code} ${title}` })),
  );
  const cases = OPERATIONS.map(({ method, path }): CaseResult => {
    const name = `${method.toUpperCase()} ${path}`;
    const detail = failed.filter(({ where }) => where === name).map(({ what }) => what);
    return { name, status: detail.length > 0 ? 'failed' : 'passed', detail: detail.join('; ') };
  });
  const known = new Set(cases.map(({ name }) => name));
  const elsewhere = failed
    .filter(({ where }) => !known.has(where))
    .map(({ where, what }): CaseResult => ({ name: where, status: 'failed', detail: what }));
  const judge = `schemathesis ${python.version('schemathesis')}`;
  const result = { suite: 'schemathesis', judge, unit: 'operations', cases: [...cases, ...elsewhere] };
  return failed.length === 0 ? result : { ...result, log: ran.out };
};

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export const SUITES: readonly Suite[] = [
  openaiPython,
  llmComply('open-responses'),
  llmComply('openai-chat'),
  schemathesis,
];
