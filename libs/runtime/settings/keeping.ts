/** How long what was stored can be fetched: the same settings wherever it is written or read. */
import { z } from 'zod';

export const keepingSettings = {
  PENSTOCK_RESULT_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(86_400)
    .describe(
      'How long a finished answer can be fetched, and a conversation after the last addition to it. Must be the same in all processes of the region.',
    ),
  PENSTOCK_EVENTS_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(43_200)
    .describe(
      'How long the events of a finished response can be replayed. Must be the same in all processes of the region.',
    ),
};
