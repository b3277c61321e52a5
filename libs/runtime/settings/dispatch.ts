/** What ingress and workers must agree on to dispatch. */
import { DEFAULT_BOUNDARIES, parseBoundaries } from '@penstock/policy';
import { z } from 'zod';
import { settingOf } from './notation.ts';

export const dispatchSettings = {
  PENSTOCK_SIZE_BOUNDARIES: settingOf(parseBoundaries)
    .prefault(`${DEFAULT_BOUNDARIES.short},${DEFAULT_BOUNDARIES.medium}`)
    .describe(
      'Longest short and longest medium prompt, tokens. Must be the same at all ingress nodes and workers.',
    ),
  PENSTOCK_ACK_WAIT_MS: z.coerce
    .number()
    .int()
    .min(500)
    .default(10_000)
    .describe(
      'Lease of a running request, renewed by the ingress that waits for it. Must be the same at all ingress nodes and workers.',
    ),
};
