/**
 * What an ingress says about itself once a second, for people to look at: nothing is decided by it. JSON. Its numbers are read from
 * the node's own metrics, so whoever adds up all nodes gets what Prometheus gets. A reader ignores what has another `v`; a
 * field of a later version needs a default.
 */
import { z } from 'zod';
import { amount as count, incarnation, token } from '../wire/fields.ts';
import { jsonReader } from '../wire/json-message.ts';
import { LANES } from '../wire/names.ts';

/** Far more than any histogram of ours has, and than a process shows names. */
const MOST_BUCKETS = 256;
const MOST_NAMES = 1024;
/** Of a label: a model's name, or a word of ours. */
const MOST_LABEL = 256;
/** Longer than a status with as many of everything. */
const MOST_BYTES = 2 * 1024 * 1024;

/** As Prometheus has it: each count includes those of the smaller bounds. */
const histogram = z
  .object({
    /** Upper bounds, s, rising; the last count is for everything. */
    bounds: z.array(count).max(MOST_BUCKETS),
    /** One more than bounds. */
    counts: z.array(count).max(MOST_BUCKETS + 1),
  })
  .refine(({ bounds, counts }) => counts.length === bounds.length + 1)
  .refine(({ bounds }) => bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0)));
export type StatusHistogram = z.infer<typeof histogram>;

/** Requests of one queue whose clients wait here, and that no worker has. */
const waiting = z.object({
  slug: token,
  lane: z.enum(LANES),
  requests: count,
  /** Of them, at the door of this node (decision 0012): the broker does not know of them. */
  atDoor: count.default(0),
  /** How long the first of them has been waiting, ms. */
  oldestMs: count,
});
export type WaitingRequests = z.infer<typeof waiting>;

/** By a name of a closed set. */
const counts = z
  .record(z.string().max(MOST_LABEL), count)
  .refine(named => Object.keys(named).length <= MOST_NAMES);

/** A status has to fit into a message, however many adapters an engine has. */
export const MOST_WAITING = 1000;

const ingressStatus = z.object({
  v: z.literal(1),
  ingress: token,
  /** Identifies the process: counts begin anew with another one. */
  incarnation,
  /** True in the last status of a node that shuts down properly. */
  leaving: z.boolean(),
  /** `penstock_open_requests` */
  open: count,
  /** Requests dispatched so far: `penstock_placements_total` over all reasons. */
  arrivals: count,
  /** `penstock_requests_finished_total` by outcome. */
  finished: counts,
  /** `penstock_placements_total` by reason. */
  placements: counts.default({}),
  /** By model: `penstock_prompt_tokens_total`; of these, `penstock_expected_cached_prompt_tokens_total` and `penstock_cached_prompt_tokens_total`. */
  promptTokens: counts.default({}),
  expectedTokens: counts.default({}),
  cachedTokens: counts.default({}),
  /** `penstock_time_to_first_token_seconds` */
  ttft: histogram,
  /** `penstock_request_queue_time_seconds` */
  queueWait: histogram,
  /** The longest waiting first, at most {@link MOST_WAITING}. */
  waiting: z.array(waiting).max(MOST_WAITING),
});
export type IngressStatus = z.infer<typeof ingressStatus>;

const readAnyStatus = jsonReader(ingressStatus, MOST_BYTES);

/** @param from the ingress on whose subject it came: nobody speaks for another one. */
export function readIngressStatus(bytes: Uint8Array, from: string): IngressStatus | null {
  const read = readAnyStatus(bytes);
  return read?.ingress === from ? read : null;
}
