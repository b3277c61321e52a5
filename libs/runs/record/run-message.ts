/** The message that makes a worker begin a run. */
import {
  asBuffer,
  decodeEnvelope,
  encodeEnvelope,
  type NewRun,
  type QueueAddress,
  type WorkEnvelope,
  type WorkMeta,
} from '@penstock/protocol';
import type { ClaimCheck } from '@penstock/transport';
import type { QueuedRun } from './new-run.ts';

/** The fields of the message that the record does not have. */
export type RunWork = Pick<
  WorkMeta,
  | 'from'
  | 'lane'
  | 'size'
  | 'stream'
  | 'promptTokens'
  | 'maxTokens'
  | 'fleetRate'
  | 'names'
  | 'claim'
  | 'store'
  | 'partOf'
> & { readonly body: Uint8Array };

/** A run's detail is in its message too, up to this, characters: the message would be too long otherwise. */
const MOST_DETAIL = 1024 * 1024;
/** Not worth a copy of the message below this, characters. */
const LONG_DETAIL = 4096;

/** What its message says of a run, so that its record can be made anew; nothing where that would be too much, or it is a line of a batch. */
export function recordedIn({ kind, tenant, detail }: NewRun): Pick<WorkMeta, 'run'> {
  if (kind === 'batch_line' || detail.length > MOST_DETAIL) return {};
  return { run: { kind, tenant, detail } };
}

/** The run of a message whose record was lost. @returns null where the message does not say enough. */
export function runOf(
  { id, run, endpoint, model, acceptedAt: createdAt, deadlineAt, log, claim }: WorkMeta,
  address: QueueAddress,
): QueuedRun | null {
  if (run === undefined) return null;
  const place = { slug: address.slug, address: { ...address, worker: null } };
  const rest = { ...(log === undefined ? {} : { log }), ...(claim === undefined ? {} : { hasClaim: true }) };
  return { id, ...run, endpoint, model, ...place, createdAt, deadlineAt, ...rest };
}

/** Keeps the body where it is too large for the message. @throws DispatchError where it cannot be kept. */
export async function encodeRunMessage(
  claims: Pick<ClaimCheck, 'checkIn' | 'sealed'>,
  run: NewRun,
  { body, ...work }: RunWork,
): Promise<Buffer> {
  const { id, endpoint, model, slug, createdAt: acceptedAt, deadlineAt, log } = run;
  const about = { id, endpoint, model, slug, acceptedAt, deadlineAt, ...(log === undefined ? {} : { log }) };
  const kept = recordedIn(run);
  const own = { v: 1, stored: true, ask: false, attemptBase: 0, held: {} } as const;
  const checked = await claims.checkIn({ ...work, ...about, ...kept, ...own }, body, run.tenant);
  const sealed = await claims.sealed(run.tenant, { meta: checked.meta, body: asBuffer(checked.body) });
  return encodeEnvelope(sealed.meta, sealed.body);
}

/** The message as the record keeps it: what the record has beside it is left out where it is long. */
export function keptMessage(message: Buffer, { detail }: NewRun): Buffer {
  if (detail.length < LONG_DETAIL) return message;
  const { meta, body } = decodeEnvelope(message);
  const { run: _run, ...rest } = meta;
  return encodeEnvelope(rest, body);
}

/** The message of a call that was converted to this run, as if it had been a stored run from the beginning. */
export function asStoredWork({ meta, body }: WorkEnvelope, run: NewRun): WorkEnvelope {
  const { log = 'none', deadlineAt } = run;
  return { body, meta: { ...meta, ...recordedIn(run), stored: true, log, deadlineAt } };
}
