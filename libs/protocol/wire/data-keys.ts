/** Names in Redis of the wrapped data keys under which content is sealed. */
import { assertToken } from './token.ts';

/** Redis hash of the data keys of a project, by day. */
export function dataKeysKey(project: string): string {
  return `penstock:data-keys:${assertToken(project)}`;
}

/** Redis set of the projects that have any. */
export const DATA_KEY_PROJECTS_KEY = 'penstock:data-key-projects';
