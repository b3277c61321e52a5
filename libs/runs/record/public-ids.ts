/** Ids of runs as their clients see them. A prefix tells the kinds apart, so that one kind is never found as another. */
import type { RunKind } from '@penstock/protocol';

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
  return isRunId(id) ? id : null;
}

/** Whether the text can be the id of a run: what a client sends is checked before it becomes part of a key. */
export function isRunId(text: string): boolean {
  return /^[a-z0-9_-]{1,48}$/.test(text);
}
