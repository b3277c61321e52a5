/**
 * Environment → validated, frozen configuration, once per process. All problems are reported together.
 *
 * Every setting `X` may be given as `X_FILE` instead, the path of a file that holds its value: Docker and Kubernetes mount secrets
 * as files, which neither `inspect` nor a child process shows.
 */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { numberProblem } from './settings/number-range.ts';

/** Exit code for a configuration error (sysexits.h EX_CONFIG). */
export const EXIT_CONFIG = 78;

/** What the schema library says by itself of a value: a setting with words of its own knows better. */
const USUAL_WORDS = /^(Invalid|Too (small|big))\b/;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** @throws ConfigError with one line per problem, each naming its variable. Values are not quoted, but for numbers: some are secrets. */
export function readConfig<T extends z.ZodObject>(
  schema: T,
  env: Record<string, string | undefined>,
): Readonly<z.infer<T>> {
  const problems: string[] = [];
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = settingOf(name, env, problem => problems.push(problem));
    if (value !== '') given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success && problems.length === 0) return Object.freeze(parsed.data) as Readonly<z.infer<T>>;
  // A setting whose file could not be read is not missing too.
  const invalid = (parsed.error?.issues ?? [])
    .map(({ path, message }) => {
      const name = path.join('.');
      const range = USUAL_WORDS.test(message) ? numberProblem(schema.shape[name], given[name]) : null;
      return { name, message: range ?? message };
    })
    .filter(({ name }) => !problems.some(problem => problem.startsWith(`${name}_FILE:`)));
  throw new ConfigError([...problems, ...invalid.map(({ name, message }) => `${name}: ${message}`)]);
}

/** Empty where it is not set. A line break at the end of a file is an editor's, not part of the value. */
function settingOf(
  name: string,
  env: Record<string, string | undefined>,
  report: (problem: string) => void,
): string {
  const value = env[name] ?? '';
  const path = env[`${name}_FILE`] ?? '';
  if (path === '') return value;
  if (value !== '') {
    report(`${name}_FILE: ${name} is set too; set one of them`);
    return '';
  }
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (err) {
    report(`${name}_FILE: the file cannot be read (${(err as NodeJS.ErrnoException).code})`);
    return '';
  }
}

/** The file that a setting is read from; null where there is none, or another value. */
export function pathOf(name: string, env: Record<string, string | undefined> = process.env): string | null {
  const path = env[`${name}_FILE`] ?? '';
  return path === '' ? null : path;
}

/** Reads the configuration or ends the process with every problem on stderr. */
export function readConfigOrExit<T extends z.ZodObject>(schema: T): Readonly<z.infer<T>> {
  try {
    return readConfig(schema, process.env);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    for (const problem of err.problems) process.stderr.write(`configuration: ${problem}\n`);
    process.exit(EXIT_CONFIG);
  }
}

/** @returns a handler that ends the process with one line on stderr, for a variable whose value turned out to be unusable. */
export function exitBlaming(variable: string): (err: Error) => never {
  return err => {
    process.stderr.write(`configuration: ${variable}: ${err.message}\n`);
    process.exit(EXIT_CONFIG);
  };
}
