/** Everything an operator can set on a console. */
import { accessSettings, limitSettings } from '@penstock/access';
import {
  auditSettings,
  clearTextSetting,
  filesSettings,
  keysSetting,
  lameDuckSetting,
  nameSetting,
  readPerModel,
  regionSettings,
  settingOf,
  sloSetting,
} from '@penstock/runtime';
import { z } from 'zod';

const KEYS = { length: 12, missing: 'set at least one key, comma-separated: people log in with it' };

/** `2.10` for every worker, or by model: `llama-70b=12.40,*=2.10`. */
function parsePrices(text: string): (slug: string) => number | undefined {
  const read = (value: string) => (/^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined);
  return readPerModel(text, read, 'use a price an hour (2.10) or <model>=<price>, comma-separated');
}

export const consoleConfig = z.object({
  PENSTOCK_CONSOLE_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  PENSTOCK_CONSOLE_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(8090)
    .describe('Port; 0 picks a free one.'),
  PENSTOCK_ADMIN_KEYS: keysSetting({ ...KEYS, least: 1 }).describe(
    'Keys that people log in with who may look and act, comma-separated.',
  ),
  PENSTOCK_VIEWER_KEYS: keysSetting({ ...KEYS, least: 0 })
    .prefault('')
    .describe('Keys that people log in with who may only look, comma-separated.'),
  PENSTOCK_CONSOLE_SESSION_S: z.coerce
    .number()
    .int()
    .min(60)
    .max(30 * 86_400)
    .default(43_200)
    .describe('How long a login lasts.'),
  PENSTOCK_CONSOLE_PLAIN_HTTP: z
    .stringbool()
    .prefault('false')
    .describe(
      'Whether browsers on other machines may log in without TLS. On the loopback address they always may.',
    ),
  ...sloSetting,
  PENSTOCK_WORKER_PRICES: settingOf(parsePrices)
    .optional()
    .describe(
      'What a worker costs an hour, for all or by model (llama-70b=12.40,*=2.10); without it no cost is shown.',
    ),
  PENSTOCK_LIMITS: limitSettings.PENSTOCK_LIMITS,
  PENSTOCK_LIMITS_SHADOW: limitSettings.PENSTOCK_LIMITS_SHADOW,
  PENSTOCK_PROJECTS_FILE: accessSettings.PENSTOCK_PROJECTS_FILE,
  PENSTOCK_CONSOLE_ID: nameSetting.optional().describe('Name of this process; generated if absent.'),
  ...lameDuckSetting,
  ...regionSettings,
  ...clearTextSetting,
  ...auditSettings,
  ...filesSettings,
});
