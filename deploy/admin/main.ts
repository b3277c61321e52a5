/** `npm run admin`: what operators do from a shell. */
import { ConfigError, commandLine, EXIT_CONFIG } from '@penstock/runtime';
import { AUDIT_USAGE, audit } from './audit.ts';
import { ROLES_USAGE, roles } from './roles.ts';

const USAGE = `Usage: ${commandLine('admin')} COMMAND

${AUDIT_USAGE}
${ROLES_USAGE}
The servers are those of PENSTOCK_NATS_URL and PENSTOCK_REDIS_URL, else those of a running
\`${commandLine('start')}\` (PENSTOCK_DATA_DIR), else the default ports on this machine. PENSTOCK_REGION names the region (local).
`;
const EXIT_USAGE = 2;

const COMMANDS: Record<string, (args: string[], say: (line: string) => void) => Promise<number>> = {
  audit,
  roles,
};

async function main([name = '', ...args]: string[]): Promise<number> {
  if (['--help', '-h'].includes(name)) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new TypeError(name === '' ? 'name a command' : 'no such command');
    return await command(args, line => process.stdout.write(`${line}\n`));
  } catch (err) {
    const problems = err instanceof ConfigError ? err.problems : [(err as Error).message];
    for (const problem of problems) process.stderr.write(`admin: ${problem}\n`);
    if (err instanceof TypeError) process.stderr.write(`\n${USAGE}`);
    if (err instanceof ConfigError) return EXIT_CONFIG;
    return err instanceof TypeError ? EXIT_USAGE : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
