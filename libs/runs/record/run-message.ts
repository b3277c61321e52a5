/** The message that makes a worker begin a run. */
import { encodeEnvelope, type NewRun, type WorkEnvelope, type WorkMeta } from '@penstock/protocol';
import type { ClaimCheck } from '@penstock/transport';

/** The fields of the message that the record does not have. */
export type RunWork = Pick<
  WorkMeta,
  'from' | 'lane' | 'size' | 'stream' | 'promptTokens' | 'maxTokens' | 'fleetRate' | 'names' | 'claim'
> & { readonly body: Uint8Array };

/** Keeps the body where it is too large for the message. @throws DispatchError where it cannot be kept. */
export async function encodeRunMessage(
  claims: Pick<ClaimCheck, 'checkIn'>,
  run: NewRun,
  { body, ...work }: RunWork,
): Promise<Buffer> {
  const { id, endpoint, model, slug, createdAt: acceptedAt, deadlineAt, log } = run;
  const about = { id, endpoint, model, slug, acceptedAt, deadlineAt, ...(log === undefined ? {} : { log }) };
  const own = { v: 1, stored: true, ask: false, attemptBase: 0, held: {} } as const;
  const checked = await claims.checkIn({ ...work, ...about, ...own }, body);
  return encodeEnvelope(checked.meta, checked.body);
}

/** The message of a call that was converted to this run, as if it had been a stored run from the beginning. */
export function asStoredWork(
  { meta, body }: WorkEnvelope,
  { log = 'none', deadlineAt }: NewRun,
): WorkEnvelope {
  return { body, meta: { ...meta, stored: true, log, deadlineAt } };
}
