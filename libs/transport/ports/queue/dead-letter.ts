/** What is kept of a request that failed on every attempt. */
import {
  deadSubject,
  decodeEnvelope,
  encodeEnvelope,
  type QueueAddress,
  type WorkEnvelope,
  type WorkMeta,
} from '@penstock/protocol';
import type { DeadKeeping } from './work-publisher.ts';

export interface KeptLetter {
  readonly subject: string;
  /** Of its failure; empty where that may not be kept in the clear. */
  readonly message: string;
  readonly data: Uint8Array;
  /** Whose body in the store is not kept. */
  readonly discarded: WorkMeta | null;
}

const NOTHING = Buffer.alloc(0);

/**
 * @param message of the failure, in which an engine may quote what it was asked.
 * @param data the message as it was queued.
 */
export async function asDeadLetter(
  { region, slug, id }: QueueAddress,
  message: string,
  data: Uint8Array,
  keeping: Pick<DeadKeeping, 'sealedKept'> | undefined,
): Promise<KeptLetter> {
  const work = readable(data);
  // Of a later version: it is kept as it is.
  if (work === null) return { subject: deadSubject(region, slug, id), message: '', data, discarded: null };
  const { store, partOf } = work.meta;
  const subject = deadSubject(region, slug, id, partOf);
  if (store === false) return { subject, message: '', data: withoutBody(work), discarded: work.meta };
  const kept = (await keeping?.sealedKept(work)) ?? work;
  return {
    ...{ subject, discarded: null },
    message: kept.meta.v === 2 ? '' : message,
    data: kept === work ? data : encodeEnvelope(kept.meta, kept.body),
  };
}

function readable(data: Uint8Array): WorkEnvelope | null {
  try {
    return decodeEnvelope(data);
  } catch {
    return null;
  }
}

/** What its record has beside it is its client's, too. */
function withoutBody({ meta: { claim: _claim, run: _run, ...meta } }: WorkEnvelope): Buffer {
  return encodeEnvelope({ ...meta, v: 1 }, NOTHING);
}
