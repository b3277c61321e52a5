/** How a process that is called by others ends. */
import { z } from 'zod';

export const lameDuckSetting = {
  PENSTOCK_LAME_DUCK_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(5000)
    .describe(
      'How long connections are still taken after SIGTERM, while /readyz says `draining` and answers close their connections: until whoever balances load has noticed. 0 where nobody does.',
    ),
};
