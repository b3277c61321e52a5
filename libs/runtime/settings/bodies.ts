/** Bodies of requests: how large they may be, which of them the queue carries itself, and how much memory they take. */
import { z } from 'zod';

/** Longest body that a message of the broker can carry beside its meta line. */
const MOST_INLINE_BYTES = 7_000_000;
/** A longer one could not be read as one text. */
const MOST_BODY_BYTES = 500_000_000;

export const bodySettings = {
  PENSTOCK_BODY_LIMIT_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .max(MOST_BODY_BYTES)
    .default(52_428_800)
    .describe(
      'Largest request body, also as a line of a batch, and largest sum of a chain of responses. Larger ones get 413.',
    ),
  PENSTOCK_INLINE_BODY_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .max(MOST_INLINE_BYTES)
    .default(1_048_576)
    .describe(
      'Largest body that the queue carries itself. Larger ones are kept with the files (PENSTOCK_FILES_DIR or the bucket), and the queue carries the claim to them.',
    ),
};

export const bodyBudgetSetting = {
  PENSTOCK_BODY_BUDGET_BYTES: z.coerce
    .number()
    .int()
    .min(1_048_576)
    .default(268_435_456)
    .describe(
      'Memory for large bodies in this process. At an ingress, bodies above 1 MB that find no room wait up to 10 s and then get 503; at a worker, requests whose bodies are in the store wait for room. Multipart forms stream through and take none. Bodies of what waits at the door of an ingress have as much again, and a project beyond its share of that gets 429.',
    ),
};
