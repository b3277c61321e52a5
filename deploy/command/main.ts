/** Runs the command that is named on the command line. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir, programFile, VERSION } from '@penstock/runtime/installation';
import { COMMANDS, USAGE } from './commands.ts';

const EXIT_USAGE = 2;
const HELP = ['help', '--help', '-h'];

function refuse(why: string): void {
  process.stderr.write(`penstock: ${why}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}

async function run(name: string, args: readonly string[]): Promise<void> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    refuse(`there is no command ${name}`);
    return;
  }
  // Several hundred modules for each process of `start`: kept compiled, they start with less CPU time. A cache that cannot be written is none.
  process.env['NODE_COMPILE_CACHE'] ||= join(cacheDir(), 'compile-cache');
  enableCompileCache(process.env['NODE_COMPILE_CACHE']);
  const file = programFile(command.program);
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined) refuse('name a command');
else if (['version', '--version', '-v'].includes(name)) process.stdout.write(`${VERSION}\n`);
else if (!HELP.includes(name)) await run(name, args);
else if (args[0] === undefined || HELP.includes(args[0])) process.stdout.write(USAGE);
else await run(args[0], ['--help']);
