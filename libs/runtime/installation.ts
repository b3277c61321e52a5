/**
 * Where this Penstock is installed, and in which form: as TypeScript in a checkout or an image, or as JavaScript in the packed
 * command (docs/decisions/0009-a-packed-command.md). The folders are the same in both, so a program has one name in both.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { SERVICE_NODE_FLAGS } from './memory.ts';

/** The top of the checkout, or of the package. Nothing is written below it in the package: it may belong to another user. */
export const INSTALLATION = resolve(import.meta.dirname, '../..');

/** Where what is fetched or compiled once is kept for this user. */
export function cacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'penstock');
}

/** Of every module of ours: `.ts` or `.js`. */
export const MODULE_EXTENSION = extname(import.meta.filename);

export const IS_PACKED = MODULE_EXTENSION === '.js';

/** Of everything in the repository: package.json at its top is the one place where it is set. */
export const VERSION = (
  JSON.parse(readFileSync(join(INSTALLATION, 'package.json'), 'utf8')) as { version: string }
).version;

/** The file of one of our modules that is not imported but run. @param name from the top, without extension: `loadtest/cli/main`. */
export function programFile(name: string): string {
  return join(INSTALLATION, `${name}${MODULE_EXTENSION}`);
}

/** What Node is given to run a service. @param service a folder of `services`. */
export function serviceArguments(service: string): string[] {
  return [...SERVICE_NODE_FLAGS, programFile(`services/${service}/main`)];
}

/** How people start a command in this form of installation, without arguments: `npm run dlq --` or `penstock dlq`. */
export function commandLine(command: string): string {
  if (IS_PACKED) return `penstock ${command}`;
  return command === 'start' ? 'npm start' : `npm run ${command} --`;
}
