/** `npm run package`: the `penstock` command as a tarball that npm installs. */
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PackError } from './modules.ts';
import { packStaged, withStagedPackage } from './pack.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const EXIT_USAGE = 2;
const USAGE = `usage: npm run package [-- --out DIRECTORY]
  --out DIRECTORY   for the tarball (default .release)`;
const say = (line: string) => process.stdout.write(`${line}\n`);

function readOut(): string | null {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: '.release' }, help: { type: 'boolean', short: 'h' } },
  });
  return values.help ? null : resolve(values.out);
}

try {
  const out = readOut();
  if (out === null) {
    say(USAGE);
  } else {
    const { tarball, files, bytes } = withStagedPackage(ROOT, staged => packStaged(staged, out));
    const path = relative(process.cwd(), tarball);
    say(`${path}: ${files} files, ${Math.round(bytes / 1024)} kB`);
    say(`npm install --global ${path.startsWith('.') ? path : `./${path}`}`);
  }
} catch (err) {
  const isUsage = err instanceof TypeError;
  if (!isUsage && !(err instanceof PackError)) throw err;
  process.stderr.write(`penstock: ${err.message}${isUsage ? `\n${USAGE}` : ''}\n`);
  process.exitCode = isUsage ? EXIT_USAGE : 1;
}
