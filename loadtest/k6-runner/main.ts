/** `node loadtest/k6-runner/main.ts SCRIPT`: runs a k6 script of this project without k6. */

import { readArguments, USAGE } from './options/arguments.ts';
import { EXIT, RunFailure } from './outcome/failure.ts';
import { progressLine } from './report/summary-text.ts';
import { run } from './run.ts';

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof RunFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

async function main(args: readonly string[]): Promise<number> {
  const line = readArguments(args);
  const interruption = new AbortController();
  const stop = () => {
    // The second time nothing is waited for.
    if (interruption.signal.aborted) process.exit(EXIT.externalAbort);
    interruption.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const { maxLateMs } = line;
  const result = await run(line.script, {
    // As k6 does: the environment of the process is the script's, -e goes before it.
    env: { ...definedOnly(process.env), ...line.env },
    load: { vus: line.vus, duration: line.duration, iterations: line.iterations },
    jsonOutput: line.jsonOutput,
    summaryExport: line.summaryExport,
    ...(maxLateMs === undefined ? {} : { maxLateMs }),
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interruption.signal,
    ...(line.quiet
      ? {}
      : { onProgress: progress => void process.stderr.write(`${progressLine(progress)}\n`) }),
  });
  for (const problem of result.problems) process.stderr.write(`${problem}\n`);
  process.off('SIGINT', stop).off('SIGTERM', stop);
  return result.exitCode;
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
