/** What the packed command consists of. Its modules are found by their imports, from what is run or read by name. */
import { globSync } from 'node:fs';
import { COMMANDS, SERVICES } from '../command/commands.ts';

export const BIN = 'deploy/command/penstock.mjs';

/** Programs and scripts that are run by name, and the console's page, which browsers load. */
export function entriesOf(root: string): string[] {
  return [
    BIN,
    ...Object.values(COMMANDS).map(({ program }) => `${program}.ts`),
    ...SERVICES.map(service => `services/${service}/main.ts`),
    'services/console/page/main.ts',
    'services/scaler/process/node.ts',
    'loadtest/k6-runner/main.ts',
    ...globSync('loadtest/k6/*.ts', { cwd: root, exclude: ['**/*.d.ts'] }),
  ];
}

/** Files that are no modules, and are read while something runs or by people. */
export function filesOf(root: string): string[] {
  const patterns = [
    ...['LICENSE', 'README.md', 'SECURITY.md', 'CHANGELOG.md', 'docs/**/*.md', 'loadtest/README.md'],
    'libs/transport/redis/scripts/**/*.lua',
    'services/console/page/*.{css,svg}',
    'loadtest/cli/page/*',
    'loadtest/workloads/data/*.json',
    ...['deploy/observability/alerts.yml', 'deploy/observability/grafana/*.json'],
  ];
  return globSync(patterns, { cwd: root }).sort();
}
