/**
 * Ids of runs as their clients see them. A prefix tells the kinds apart, so that one kind is never found as another. The script
 * `announce_run.lua`, which names a run in a webhook event, spells the same prefixes.
 */
import { isToken } from '../wire/token.ts';
import type { RunKind } from './stored-run.ts';

const PREFIX: Record<RunKind, string> = {
  job: '',
  response: 'resp_',
  completion: 'chatcmpl-',
  batch_line: '',
};

export function publicId({ kind, id }: { readonly kind: RunKind; readonly id: string }): string {
  return PREFIX[kind] + id;
}

/** The run behind a public id; null where the id is not one of this kind. */
export function runIdIn(kind: RunKind, publicId: string): string | null {
  const prefix = PREFIX[kind];
  if (!publicId.startsWith(prefix)) return null;
  const id = publicId.slice(prefix.length);
  return isToken(id) ? id : null;
}
