/** Where this Penstock is installed, and which it is. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The top of the checkout, or of the application in an image. */
export const INSTALLATION = resolve(import.meta.dirname, '../..');

/** Of everything in the repository: package.json at its top is the one place where it is set. */
export const VERSION = (
  JSON.parse(readFileSync(join(INSTALLATION, 'package.json'), 'utf8')) as { version: string }
).version;
