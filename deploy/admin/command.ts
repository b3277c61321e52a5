/** What operators do from a shell, by the names of its commands. */
import { ConfigError, commandLine, EXIT_CONFIG } from '@penstock/runtime';
import { AUDIT_USAGE, audit } from './audit.ts';
import { ENCRYPTION_USAGE, encryption } from './encryption.ts';
import { KEYS_USAGE, keys } from './keys.ts';
import { PROJECTS_USAGE, projects } from './projects.ts';
import { ROLES_USAGE, roles } from './roles.ts';

const USAGE = `Usage: ${commandLine('admin')} COMMAND

${PROJECTS_USAGE}
${KEYS_USAGE}
${AUDIT_USAGE}
${ENCRYPTION_USAGE}
${ROLES_USAGE}
The servers are those of PENSTOCK_NATS_URL and PENSTOCK_REDIS_URL, else those of a running
\`${commandLine('start')}\` (PENSTOCK_DATA_DIR), else the default ports on this machine. PENSTOCK_REGION names the region (local).
Keys are made under PENSTOCK_KEY_PEPPER, which is that of the ingress nodes, else PENSTOCK_DATA_DIR/key-pepper.
`;
const EXIT_USAGE = 2;

const COMMANDS: Record<string, (args: string[], say: (line: string) => void) => Promise<number>> = {
  audit,
  encryption,
  keys,
  projects,
  roles,
};

/** Where is said what came of it, and what was wrong. */
export interface Voice {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** @returns the exit code. Never rejects. */
export async function adminCommand(
  [name = '', ...args]: readonly string[],
  { out, err: tell }: Voice,
): Promise<number> {
  if (['--help', '-h'].includes(name)) {
    out(USAGE);
    return 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new TypeError(name === '' ? 'name a command' : 'no such command');
    return await command(args, line => out(`${line}\n`));
  } catch (err) {
    const problems = err instanceof ConfigError ? err.problems : [(err as Error).message];
    for (const problem of problems) tell(`admin: ${problem}\n`);
    if (err instanceof TypeError) tell(`\n${USAGE}`);
    if (err instanceof ConfigError) return EXIT_CONFIG;
    return err instanceof TypeError ? EXIT_USAGE : 1;
  }
}
