/** The message that makes a worker begin a run. */
import { encodeEnvelope, type NewRun, type WorkEnvelope, type WorkMeta } from '@penstock/protocol';

/** The fields of the message that the record does not have. */
export type RunWork = Pick<
  WorkMeta,
  'from' | 'lane' | 'size' | 'stream' | 'promptTokens' | 'maxTokens' | 'fleetRate' | 'names'
> & { readonly body: Uint8Array };

export function encodeRunMessage(run: NewRun, { body, ...work }: RunWork): Buffer {
  const { id, endpoint, model, slug, createdAt: acceptedAt, deadlineAt, log } = run;
  const about = { id, endpoint, model, slug, acceptedAt, deadlineAt, ...(log === undefined ? {} : { log }) };
  return encodeEnvelope(
    { v: 1, ...work, ...about, stored: true, ask: false, attemptBase: 0, held: {} },
    body,
  );
}

/** The message of a call that was converted to this run, as if it had been a stored run from the beginning. */
export function asStoredWork(
  { meta, body }: WorkEnvelope,
  { log = 'none', deadlineAt }: NewRun,
): WorkEnvelope {
  return { body, meta: { ...meta, stored: true, log, deadlineAt } };
}
