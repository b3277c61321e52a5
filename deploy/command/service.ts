/** `penstock service NAME`: one service, as an image of it would run it, for machines without containers. */
import { spawn } from 'node:child_process';
import { serviceArguments } from '@penstock/runtime/installation';
import { SERVICES } from './commands.ts';

const EXIT_USAGE = 2;
const USAGE = `Usage: penstock service ${SERVICES.join('|')}

Its settings are environment variables: docs/configuration.md. It ends in order on SIGTERM.
`;

function run(service: string): void {
  const child = spawn(process.execPath, serviceArguments(service), { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the child as well.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128 + 15);
  });
}

const [service, ...more] = process.argv.slice(2);
if (service === '--help' || service === '-h') {
  process.stdout.write(USAGE);
} else if (service !== undefined && SERVICES.includes(service) && more.length === 0) {
  run(service);
} else {
  process.stderr.write(
    `penstock: name one service, not ${[service, ...more].join(' ') || 'none'}\n\n${USAGE}`,
  );
  process.exitCode = EXIT_USAGE;
}
