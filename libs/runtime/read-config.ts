/** Environment → validated, frozen configuration, once per process. All problems are reported together. */
import type { z } from 'zod';

/** Exit code for a configuration error (sysexits.h EX_CONFIG). */
export const EXIT_CONFIG = 78;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** @throws ConfigError with one line per problem, each naming its variable. Values are never quoted: some are secrets. */
export function readConfig<T extends z.ZodType>(
  schema: T,
  env: Record<string, string | undefined>,
): Readonly<z.infer<T>> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data as object) as Readonly<z.infer<T>>;
  throw new ConfigError(parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`));
}

/** Reads the configuration or ends the process with every problem on stderr. */
export function readConfigOrExit<T extends z.ZodType>(schema: T): Readonly<z.infer<T>> {
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
