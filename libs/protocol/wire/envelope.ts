/**
 * What an ingress puts on the queue: one line of JSON metadata, a newline, then the bytes of the client's body, in which at most
 * the model's name was replaced and defaults were added (libs/protocol/endpoints/served-by.ts); or the claim to them in
 * the metadata.
 * The body is parsed once, at the ingress; a worker hands the same bytes to its engine.
 */
import { z } from 'zod';
import { asBuffer } from './bytes.ts';
import { callNamesSchema } from './call-names.ts';
import { ENDPOINTS } from './endpoints.ts';
import { amount, attemptNumber, MOST_NAME, MOST_TOKENS_PER_SEC, token, upTo, workKey } from './fields.ts';
import { LANES, SIZES } from './names.ts';

/**
 * How a stored run is logged while it runs: not at all, as operations that its events are derived from (responses), or as
 * the engine's own events (streams that are passed on as they are).
 */
export const RUN_LOGS = ['none', 'deltas', 'events'] as const;
export type RunLogKind = (typeof RUN_LOGS)[number];

/** Where the body of a request is that is too large for a message: in the store, under the request's id. */
const claimSchema = z.object({
  /** SHA-256 of the body, hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
  /** Of one that is sealed: as it is stored (whose digest that above is then), and the id of the data key. */
  sealed: z.object({ bytes: z.int().min(0), key: z.string().max(64) }).optional(),
  /** Of a form: where in it its client calls the model by another name, which the worker replaces by that of `meta.model`. */
  model: z.object({ at: z.int().min(0), bytes: z.int().min(0) }).optional(),
});

export type BodyClaim = z.infer<typeof claimSchema>;

/** What the record of a stored run has beside its message, so that a record that was lost is made anew from it. */
const runSchema = z.object({
  kind: z.enum(['job', 'response', 'completion']),
  tenant: z.string().max(256),
  detail: z.string(),
});

/** What a header may hold: it goes to the engine as one. */
const HEADER_TEXT = /^[\x20-\x7e]*$/;

const metaSchema = z.object({
  /** Envelope version. A reader takes those that it knows: 2 is as 1, with a body that is sealed under `seal`, and `run.detail` too. */
  v: z.union([z.literal(1), z.literal(2)]),
  id: token,
  /**
   * Drawn at random for each message: who says it was given this one, and may answer the request. A message that is published anew has
   * another. Absent in those of the version before.
   */
  key: workKey.optional(),
  /** Under what its record is sealed: the id of the data key, the project, and the key of the record, wrapped for workers. */
  seal: z
    .object({ id: z.string().max(64), project: z.string().max(256), key: z.string().max(512) })
    .optional(),
  /** Ingress that waits for the reply. */
  from: token,
  endpoint: z.enum(ENDPOINTS),
  model: z.string().max(MOST_NAME),
  slug: token,
  lane: z.enum(LANES),
  size: z.enum(SIZES),
  stream: z.boolean(),
  /** Of the body; absent for JSON. */
  contentType: z.string().max(1024).regex(HEADER_TEXT).optional(),
  /** Estimated prompt tokens. */
  promptTokens: amount,
  /** Output limit the client asked for; null when it named none. */
  maxTokens: amount.nullable(),
  /** Unix ms when the ingress accepted the request. */
  acceptedAt: amount,
  /** Unix ms after which no engine may start it. */
  deadlineAt: amount,
  /** Added to the delivery count to give the attempt: raised when a request moves to another subject and counts anew. */
  attemptBase: attemptNumber,
  /** The answer belongs into the run's record, not to a waiting ingress. */
  stored: z.boolean(),
  /** How a stored run is logged while it runs; absent: not at all. */
  log: z.enum(RUN_LOGS).optional(),
  /** Absent where its record cannot be made from this or by this version, or is made from something else (lines of batches). */
  run: runSchema.optional().catch(undefined),
  /** Its client asked that nothing of it be kept: what is left of it when it has failed for good has no body. */
  store: z.literal(false).optional(),
  /** The conversation, or the input file of a batch, that it is part of: with it goes what is left of a request that failed for good. */
  partOf: token.optional(),
  /** Ask the ingress before running even a first delivery: the client has part of the answer. */
  ask: z.boolean(),
  /** Worker → leading prompt tokens that its cache is believed to hold. Workers without any are left out. */
  held: z.record(token, amount),
  /** What others call the request; absent where nobody named it. */
  names: callNamesSchema.optional(),
  /** Prefill rate of the fleet's fastest worker, tokens/s; 0 when unknown. The zero of every worker's scale of levels. */
  fleetRate: upTo(MOST_TOKENS_PER_SEC),
  /** The body is in the store of request bodies, and none follows the line. Absent: it follows. */
  claim: claimSchema.optional(),
});

/** What envelopes of all versions have. */
const formSchema = z.object({ v: z.int().min(1), id: z.string() });

export type WorkMeta = z.infer<typeof metaSchema>;

export interface WorkEnvelope {
  readonly meta: WorkMeta;
  /** The client's request body, byte for byte; empty where `meta.claim` says where it is. */
  readonly body: Buffer;
}

export function encodeEnvelope(meta: WorkMeta, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(meta)}\n`), body]);
}

/** Bytes that are not an envelope of this version. The message never quotes the content. */
export class UnreadableEnvelope extends Error {
  override readonly name = 'UnreadableEnvelope';
  /** It has the form of an envelope: one of a later version, which another worker may be able to read, is not told from a damaged one. */
  readonly mayBeNewer: boolean;

  constructor(message: string, mayBeNewer: boolean) {
    super(message);
    this.mayBeNewer = mayBeNewer;
  }
}

/** @throws UnreadableEnvelope */
export function decodeEnvelope(bytes: Uint8Array): WorkEnvelope {
  const buffer = asBuffer(bytes);
  const end = buffer.indexOf(0x0a);
  if (end < 0) throw new UnreadableEnvelope('work envelope without a meta line', false);
  let raw: unknown;
  try {
    raw = JSON.parse(buffer.toString('utf8', 0, end));
  } catch {
    throw new UnreadableEnvelope('work envelope with an unreadable meta line', false);
  }
  const meta = metaSchema.safeParse(raw);
  if (!meta.success)
    throw new UnreadableEnvelope(
      'work envelope of an unknown version or shape',
      formSchema.safeParse(raw).success,
    );
  return { meta: meta.data, body: buffer.subarray(end + 1) };
}

/** As {@link decodeEnvelope}; null for what this version cannot read. */
export function readEnvelope(bytes: Uint8Array): WorkEnvelope | null {
  try {
    return decodeEnvelope(bytes);
  } catch {
    return null;
  }
}
