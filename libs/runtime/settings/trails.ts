/** Of which requests the trail is kept. */
import { z } from 'zod';

export const trailSettings = {
  PENSTOCK_TRAIL_SAMPLE: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe(
      'Share of requests whose trail can be looked at for an hour although they went well, 0 to 1; trails of those that failed always can.',
    ),
};
