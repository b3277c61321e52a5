/** `npm run audit`: known vulnerabilities of all packages that Penstock installs. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudit } from './advisories.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const EXIT = { found: 1, usage: 2, unreachable: 3 } as const;
const USAGE = `usage: npm run audit [-- --omit-dev]
  --omit-dev   only what runs, without what is there for development

Asks npm's registry, which has GitHub's advisories (OSV has the same), for the versions in package-lock.json.
Exit codes: 0 none is known, 1 some are, 3 the registry could not be asked, so nothing is known either way.
`;
const MOST_OUTPUT = 2 ** 26;

function main(): number {
  const { values } = parseArgs({
    options: { 'omit-dev': { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const args = ['audit', '--json', ...(values['omit-dev'] ? ['--omit=dev'] : [])];
  const { stdout, error } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: MOST_OUTPUT });
  const audit = readAudit(stdout ?? '');
  if (audit.kind === 'unreachable') {
    const why = error?.message ?? audit.why;
    process.stderr.write(`audit: nothing was checked, as the registry could not be asked (${why})\n`);
    return EXIT.unreachable;
  }
  for (const { severity, name, range, title, url } of audit.found)
    process.stdout.write(`${severity}: ${name} ${range}: ${title} ${url}\n`);
  process.stdout.write(`${audit.packages} packages, ${audit.found.length} known vulnerabilities\n`);
  return audit.found.length === 0 ? 0 : EXIT.found;
}

try {
  process.exitCode = main();
} catch (err) {
  if (!(err instanceof TypeError)) throw err;
  process.stderr.write(`audit: ${err.message}\n\n${USAGE}`);
  process.exitCode = EXIT.usage;
}
