/** Runs test files with Node's own runner and remembers what failed and how long each test took. */
import { globSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const ROOT = resolve(import.meta.dirname, '..');
const KEPT_ALIVE = resolve(import.meta.dirname, 'kept-alive.ts');

/** Of one test, ms: none takes half as long. */
const TEST_LIMIT_MS = 300_000;
/** After this long without a word the run is ended, ms: no file takes half as long. */
const SILENCE_LIMIT_MS = 360_000;

export interface TestResult {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Names from the top level down; empty where the file failed outside of its tests. */
  readonly names: readonly string[];
  readonly ms: number;
}

export interface TestRun {
  readonly ok: boolean;
  /** Tests that failed themselves, not those that failed because a test inside them did. */
  readonly failed: readonly TestResult[];
  /** Every test of the top level. */
  readonly topLevel: readonly TestResult[];
}

export interface TestRunOptions {
  /** Paths from the root of the repository, or absolute. */
  readonly files: readonly string[];
  /** Files run at the same time. */
  readonly concurrency: number;
  /** Name of the only test of the top level that is run. */
  readonly only?: string | undefined;
  /** `none`: all in this process. A process for each file unless told otherwise. */
  readonly isolation?: 'process' | 'none';
}

/** Writes what Node's `spec` reporter says to stdout. */
export async function runTests({
  files,
  concurrency,
  only,
  isolation = 'process',
}: TestRunOptions): Promise<TestRun> {
  const failed: TestResult[] = [];
  const topLevel: TestResult[] = [];
  let ok = false;
  /** Names of the tests that enclose the latest one, outermost first: the runner reports one file after another. */
  let names: string[] = [];
  const filter = only === undefined ? {} : { testNamePatterns: [`/^${escapeRegExp(only)}$/`] };
  const silence = new AbortController();
  const paths = files.map(file => resolve(ROOT, file));
  const stream = run({
    ...{ timeout: TEST_LIMIT_MS, signal: silence.signal, isolation, ...filter },
    ...(isolation === 'process'
      ? { cwd: ROOT, files: paths, concurrency, execArgv: ['--import', KEPT_ALIVE] }
      : { files: [KEPT_ALIVE, ...paths] }),
  });
  // Tests of this process are over when nothing keeps it alive any more.
  const watchdog = setTimeout(() => silence.abort(), SILENCE_LIMIT_MS).unref();
  const resultOf = (data: {
    file?: string;
    name: string;
    nesting: number;
    details: { duration_ms: number };
  }) => ({
    file: relative(ROOT, data.file ?? data.name),
    names: data.name === data.file ? [] : [...names.slice(0, data.nesting), data.name],
    ms: data.details.duration_ms,
  });
  stream.on('test:start', ({ name, nesting }) => {
    names = [...names.slice(0, nesting), name];
  });
  stream.on('test:pass', data => {
    if (data.nesting === 0) topLevel.push(resultOf(data));
  });
  stream.on('test:fail', data => {
    const result = resultOf(data);
    if (data.nesting === 0) topLevel.push(result);
    const { failureType } = data.details.error as { failureType?: string };
    if (data.todo === undefined && failureType !== 'subtestsFailed') failed.push(result);
  });
  stream.on('test:summary', ({ file, success }) => {
    if (file === undefined) ok = success;
  });
  for await (const text of stream.compose(spec)) {
    watchdog.refresh();
    process.stdout.write(text as string);
  }
  clearTimeout(watchdog);
  const isKnown = only === undefined || topLevel.some(({ names }) => names[0] === only);
  return { ok: ok && isKnown, failed, topLevel };
}

/** Test files that a pattern names, from the root of the repository. */
export function testFiles(...patterns: readonly string[]): string[] {
  return globSync([...patterns], { cwd: ROOT, exclude: ['**/node_modules/**'] }).sort();
}

/** What failed, and how it is run alone. One line. */
export function failureLine({ file, names }: TestResult): string {
  const [top] = names;
  const alone = ['npm test --', file, ...(top === undefined ? [] : [quoted(top)])].join(' ');
  return `${[file, ...names].join(' › ')}   (alone: ${alone})`;
}

export function slowest(results: readonly TestResult[], count: number): TestResult[] {
  return [...results].sort((a, b) => b.ms - a.ms).slice(0, count);
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
