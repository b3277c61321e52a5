/** Everything an operator can set on a scaler. */
import { DEFAULT_RULES } from '@penstock/policy';
import { isSecret } from '@penstock/protocol';
import {
  clearTextSetting,
  monitoringSettings,
  nameSetting,
  regionSettings,
  settingOf,
  sloSetting,
  webhookAllowSetting,
} from '@penstock/runtime';
import { readAllowList } from '@penstock/transport/egress';
import { z } from 'zod';
import { parsePools } from './pools.ts';

const DRIVERS = ['advise', 'process', 'webhook', 'kubernetes'] as const;

/** Lines of NAME=value. */
function parseVariables(text: string): Readonly<Record<string, string>> {
  const lines = text.split('\n').filter(line => line.trim() !== '');
  const pairs = lines.map(line => /^(\w+)=(.*)$/.exec(line.trim()));
  if (!pairs.every(pair => pair !== null)) throw new TypeError('give lines of NAME=value');
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
}

export const scalerConfig = z.object({
  PENSTOCK_SCALER_ID: nameSetting.optional().describe('Name of this process; generated if absent.'),
  PENSTOCK_POOLS: settingOf(parsePools).describe(
    'Pools of workers to scale, as JSON: [{"name":"h100","models":["llama-70b"],"slots":64,"price":12.4,"startS":180,"min":0,"max":8}]. docs/scaling.md has all fields.',
  ),
  PENSTOCK_SCALE_DRIVER: z
    .enum(DRIVERS, { error: `use ${DRIVERS.join(', ')}` })
    .default('advise')
    .describe(
      'Who starts and ends workers: kubernetes (Deployments of this namespace), webhook (a URL of yours is told), process (on this machine, with simulated engines), or advise: nobody, decisions are only told.',
    ),
  PENSTOCK_SCALE_EVERY_MS: z.coerce
    .number()
    .int()
    .min(200)
    .max(60_000)
    .default(5000)
    .describe('How often it looks and decides.'),
  PENSTOCK_SCALE_HEADROOM: z.coerce
    .number()
    .min(0)
    .max(10)
    .default(DEFAULT_RULES.headroom)
    .describe('Free slots beside the load, in square roots of it.'),
  PENSTOCK_SCALE_HOLD_S: z.coerce
    .number()
    .min(0)
    .max(86_400)
    .default(DEFAULT_RULES.holdS)
    .describe('How long workers that are not needed any more stay; never less than two starts take.'),
  PENSTOCK_SCALE_BUDGET: z.coerce
    .number()
    .min(0)
    .optional()
    .describe(
      'Most that the workers of all pools may cost an hour, by the prices of the pools. If absent, there is no limit.',
    ),
  PENSTOCK_SCALE_START_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3_600_000)
    .default(10_000)
    .describe('How long a simulated engine of the driver process takes to start.'),
  PENSTOCK_SCALE_WORKER_ENV: settingOf(parseVariables)
    .prefault('')
    .describe(
      'Settings of the workers that the driver process starts, as lines of NAME=value, before those of the scaler: who they are at NATS and Redis, mostly as the file `env` of their user.',
    ),
  PENSTOCK_SCALE_WEBHOOK_URL: z
    .url({ protocol: /^https?$/, error: 'give it as http(s)://host/path' })
    .optional()
    .describe('Where the driver webhook posts how many workers a pool shall have.'),
  PENSTOCK_SCALE_WEBHOOK_SECRET: z
    .string()
    .refine(isSecret, 'a secret is whsec_ and 24 to 64 bytes in base64')
    .optional()
    .describe('Secret that these posts are signed with, as Standard Webhooks: whsec_…'),
  PENSTOCK_SCALE_LIMIT_MS: z.coerce
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(10_000)
    .describe('How long a driver may take to answer.'),
  ...sloSetting,
  ...regionSettings,
  ...clearTextSetting,
  ...webhookAllowSetting(readAllowList),
  ...monitoringSettings,
});
