/** What the `penstock` command can do, apart from `help` and `version`. */

export interface Command {
  /** From the top of the installation, without extension. */
  readonly program: string;
  readonly about: string;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  start: {
    program: 'deploy/local/start',
    about: 'run everything on this machine, with your engines or simulated ones',
  },
  service: { program: 'deploy/command/service', about: 'run one service, set up by its environment' },
  dlq: { program: 'deploy/dlq/main', about: 'list, show, requeue and drop dead letters' },
  explain: { program: 'deploy/explain/main', about: 'tell the life of one request in words' },
  admin: {
    program: 'deploy/admin/main',
    about: 'projects and keys, verify the audit log, make users of NATS and Redis',
  },
  load: { program: 'loadtest/cli/main', about: 'load-test this machine, or any Penstock by its URL' },
  plan: { program: 'loadtest/simulator/main', about: 'simulate what a fleet would do with a workload' },
};

/** Folders of `services`. */
export const SERVICES: readonly string[] = ['ingress', 'worker', 'tasks', 'console', 'scaler', 'engine-sim'];

export const USAGE = `Usage: penstock COMMAND [ARGUMENTS]

${Object.entries(COMMANDS)
  .map(([name, { about }]) => `  ${name.padEnd(9)}${about}`)
  .join('\n')}
  help     this text, or that of a command: penstock help dlq
  version  of Penstock

Settings are environment variables: docs/configuration.md in the package lists them.
`;
