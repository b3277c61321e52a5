/** How long what was stored can be fetched: the same settings wherever it is written or read. */
import { z } from 'zod';

export const keepingSettings = {
  PENSTOCK_RESULT_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(86_400)
    .describe('How long a final answer can be fetched. The same at all processes of a region.'),
  PENSTOCK_EVENTS_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(43_200)
    .describe(
      'How long the events of a final response can be read again. The same at all processes of a region.',
    ),
};
