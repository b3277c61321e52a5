/** What processes that look keys up, and commands that make them, need to know. */
import { keysSetting } from '@penstock/runtime';
import { z } from 'zod';

export const accessSettings = {
  PENSTOCK_KEY_PEPPER: keysSetting({ least: 0, length: 32, missing: '' })
    .prefault('')
    .describe(
      'Secret under which keys of projects are kept as HMACs: `openssl rand -hex 32`. To change it, put the new one first and leave the old ones behind it, comma-separated, for as long as keys made under them are used. Must be the same at all ingress nodes.',
    ),
  PENSTOCK_KEY_GRACE_S: z.coerce
    .number()
    .int()
    .min(0)
    .max(86_400)
    .default(300)
    .describe(
      'For how long keys that this node has seen go on being valid while Redis is away. Keys that it has not seen get 503 then.',
    ),
  PENSTOCK_PROJECTS_FILE: z
    .string()
    .optional()
    .describe(
      'JSON file with projects and keys (docs/keys.md): read again when it changes. Must say the same at all ingress nodes.',
    ),
};
