/** Takes a fix out of the product's code, for this thread, before that code is loaded. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutation } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

/** @throws where the code to be changed is not there, or more than once. */
export function takeOut({ name, changes }: Mutation): void {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of changes) {
    const path = resolve(ROOT, file);
    const source = readFileSync(path, 'utf8');
    if (source.split(find).length !== 2)
      throw new Error(`${name}: ${file} does not have the code that is to be changed`);
    changed.set(
      pathToFileURL(path).href,
      source.replace(find, () => replace),
    );
  }
  registerHooks({
    load: (url, context, next) => {
      const source = changed.get(url);
      return source === undefined ? next(url, context) : { ...next(url, context), source };
    },
  });
}
