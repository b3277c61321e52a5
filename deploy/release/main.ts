/** `npm run release`: a release of Penstock, made on this machine and published by nobody: docs/releasing.md. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PackError } from '../package/modules.ts';
import { artefactsOf } from './artefacts.ts';
import { assertReleasable, describeRelease, makeRelease } from './release.ts';
import { ReleaseError, readState } from './state.ts';
import { isVersion } from './version.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const EXIT_USAGE = 2;
const USAGE = `usage: npm run release -- [VERSION] [options]
  VERSION           such as 0.2.0 (default: that of package.json, if it is not released yet)
  --dry-run         say what would be done, and what is in its way
  --out DIRECTORY   gets a directory for the version (default .release)
  --registry NAME   in front of the names of images (default registry.example.com/penstock)

Cuts the section of CHANGELOG.md, sets the version, makes the npm tarball, its SBOM, the chart's archive and checksums, commits and tags.
Nothing is pushed or published: the commands that would do it are printed. PENSTOCK_HELM names helm where it is not on the PATH.`;
const say = (line: string) => process.stdout.write(`${line}\n`);

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'dry-run': { type: 'boolean', default: false },
      out: { type: 'string', default: '.release' },
      registry: { type: 'string', default: 'registry.example.com/penstock' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    say(USAGE);
    return;
  }
  if (positionals.length > 1) throw new TypeError(`give one version, not ${positionals.join(' ')}`);
  const helm = process.env['PENSTOCK_HELM'] || 'helm';
  const state = readState(ROOT, helm);
  const options = {
    ...{ root: ROOT, version: positionals[0] ?? state.version, helm },
    ...{ out: resolve(values.out), registry: values.registry.replace(/\/+$/, '') },
    date: new Date().toISOString().slice(0, 10),
  };
  const artefacts = artefactsOf(state.chart !== null);
  // What would be done helps to mend what is in its way.
  if (values['dry-run'] && isVersion(options.version)) describeRelease(state, options, artefacts, say);
  assertReleasable(state, options);
  if (!values['dry-run']) makeRelease(state, options, artefacts, say);
}

try {
  main();
} catch (err) {
  if (!(err instanceof TypeError || err instanceof ReleaseError || err instanceof PackError)) throw err;
  for (const line of err.message.split('\n')) process.stderr.write(`release: ${line}\n`);
  if (err instanceof TypeError) process.stderr.write(`\n${USAGE}\n`);
  process.exitCode = err instanceof TypeError ? EXIT_USAGE : 1;
}
