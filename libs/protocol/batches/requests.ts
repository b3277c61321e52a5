/** Requests about files and batches: the schemas that check them, and from which the API's description is generated. */
import { z } from 'zod';
import { metadataField } from '../openai/fields.ts';
import { BATCH_PATHS } from './batch-line.ts';
import { FILE_PURPOSES } from './file.ts';

/** How long a file that expires by itself is kept, s. */
const LIFE_S = { least: 3600, most: 30 * 24 * 3600 } as const;
const lifeError = { error: `Use a whole number of seconds from ${LIFE_S.least} to ${LIFE_S.most}.` };

const lifetimeFields = {
  anchor: z.literal('created_at', { error: 'Use "created_at".' }),
  // Coerced, because a form sends it as text.
  seconds: z.coerce.number(lifeError).int(lifeError).min(LIFE_S.least, lifeError).max(LIFE_S.most, lifeError),
};

/** When an uploaded file expires; absent, null or, as a form without these fields has it, empty for never. */
export const lifetime = z
  .preprocess(value => (isEmpty(value) ? undefined : value), z.looseObject(lifetimeFields).nullish())
  .optional();

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { anchor, seconds } = value as { anchor?: unknown; seconds?: unknown };
  return anchor === undefined && seconds === undefined;
}

export const filePurpose = z.enum(FILE_PURPOSES, { error: `Use one of ${FILE_PURPOSES.join(', ')}.` });

/** `POST /v1/files`: the fields of the form beside the file itself. */
export const fileForm = z.looseObject({
  purpose: filePurpose,
  'expires_after[anchor]': lifetimeFields.anchor.optional(),
  'expires_after[seconds]': lifetimeFields.seconds.optional(),
});

/** `POST /v1/batches` */
export const batchCreate = z.looseObject({
  input_file_id: z.string().max(64).describe('A file with purpose `batch`.'),
  endpoint: z.enum(BATCH_PATHS, {
    error: `use one of ${BATCH_PATHS.join(', ')}`,
  }),
  completion_window: z.literal('24h', { error: 'use "24h"' }),
  metadata: metadataField,
  output_expires_after: z.looseObject(lifetimeFields).nullish(),
});
