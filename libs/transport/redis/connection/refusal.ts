/** Answers of Redis that are errors. */

/** Redis has a write that too few of its replicas have: it may be forgotten, so nobody may rely on it. */
export class NotReplicated extends Error {
  override readonly name = 'NotReplicated';

  constructor(wanted: number, have: number) {
    super(`${have} of ${wanted} replicas have it`);
  }
}

/** Whether Redis answered, with an error. What fails otherwise is about the connection, and the client sends it again by itself. */
export function isRefusal(err: unknown): boolean {
  return err instanceof NotReplicated || (err instanceof Error && err.name === 'ReplyError');
}
