/** Everything an operator can set on an ingress. */
import { accessSettings, limitSettings, tokenSettings } from '@penstock/access';
import { AFFINITIES, type Affinity, BOUND_WAIT_MS } from '@penstock/policy';
import { MAX_CALL_TIMEOUT_MS } from '@penstock/protocol';
import {
  apiMonitoringSetting,
  auditSettings,
  bodyBudgetSetting,
  bodySettings,
  clearTextSetting,
  dispatchSettings,
  encryptionSettings,
  engineRulesSettings,
  filesSettings,
  keepingSettings,
  keysSetting,
  lameDuckSetting,
  modelSettings,
  monitoringSettings,
  nameSetting,
  readPerModel,
  regionSettings,
  settingOf,
  trailSettings,
  webhookAllowSetting,
} from '@penstock/runtime';
import { KeyList } from '@penstock/transport';
import { readAllowList } from '@penstock/transport/egress';
import { z } from 'zod';
import { parseOrigins } from './http/cors.ts';
import { ADMISSION_MODES } from './shares/admissions.ts';
import { tlsSettings } from './tls/settings.ts';

/** `auto`, or per model: `llama=prefix,mixtral=none,*=session`. Null where the model's architecture decides. */
function parseAffinity(text: string): (slug: string) => Affinity | null {
  const read = (value: string) => (value === 'auto' ? null : AFFINITIES.find(name => name === value));
  const usage = `use auto, ${AFFINITIES.join(', ')}, or <model>=<one of these>, comma-separated`;
  const ofModel = readPerModel(text, read, usage);
  return slug => ofModel(slug) ?? null;
}

export const ingressConfig = z.object({
  PENSTOCK_HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  PENSTOCK_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(8080)
    .describe('Port; 0 picks a free one.'),
  ...tlsSettings,
  PENSTOCK_API_KEYS: keysSetting({
    least: 1,
    length: 8,
    missing: 'set at least one API key, comma-separated',
  }).describe('API keys that clients may use, comma-separated.'),
  PENSTOCK_ADMIN_KEYS: keysSetting({ least: 0, length: 12, missing: '' })
    .prefault('')
    .describe(
      'Admin keys beside those that were made with the admin API, comma-separated: for /v1/organization alone.',
    ),
  ...accessSettings,
  ...tokenSettings,
  ...limitSettings,
  PENSTOCK_FAIR_SHARES: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'Whether projects are served in shares by their weights when there is a backlog: on, or off for first come, first served.',
    ),
  PENSTOCK_ADMISSION: z
    .enum(ADMISSION_MODES)
    .default('shadow')
    .describe(
      'Whether interactive requests are refused (429) whose first token would come after their client has left: on, shadow (only counted) or off. Not without PENSTOCK_FAIR_SHARES.',
    ),
  PENSTOCK_PATIENCE_MS: z.coerce
    .number()
    .int()
    .min(100)
    .max(MAX_CALL_TIMEOUT_MS)
    .default(60_000)
    .describe(
      'How long a client of an interactive request is taken to wait for the first token where it does not say it.',
    ),
  PENSTOCK_CORS_ORIGINS: settingOf(parseOrigins)
    .prefault('')
    .describe(
      "Origins of pages that may call the API from a browser, comma-separated, or `*` for all (then without the browser's credentials).",
    ),
  ...modelSettings,
  PENSTOCK_INGRESS_ID: nameSetting.optional().describe('Name of this node; generated if absent.'),
  ...regionSettings,
  ...clearTextSetting,
  ...auditSettings,
  ...keepingSettings,
  ...filesSettings,
  ...encryptionSettings(KeyList.parse),
  ...webhookAllowSetting(readAllowList),
  ...engineRulesSettings(readAllowList),
  PENSTOCK_BATCH_LIFE_S: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(86_400)
    .describe(
      'How long a batch may take before it expires; finished lines are kept. Clients always ask for 24 h.',
    ),
  ...bodySettings,
  ...bodyBudgetSetting,
  PENSTOCK_ANSWER_BUDGET_BYTES: z.coerce
    .number()
    .int()
    .min(1_048_576)
    .default(134_217_728)
    .describe(
      'Memory for answers in this process that clients have yet to take. Stored answers that find no room wait up to 10 s and then get 503; where those of engines are too much, the slowest readers are cut off, of the tenant that holds most.',
    ),
  PENSTOCK_NATS_REPLICAS: z.coerce
    .number()
    .int()
    .min(1)
    .max(5)
    .default(1)
    .describe(
      'Servers of the NATS cluster that keep each queue: 3 on a cluster. May be raised at any time; must be the same at all ingress nodes.',
    ),
  PENSTOCK_QUEUE_MAX_MESSAGES: z.coerce
    .number()
    .int()
    .min(1)
    .default(100_000)
    .describe('Requests the queue holds before new ones get 429.'),
  PENSTOCK_QUEUE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1_000_000)
    .default(2_147_483_648)
    .describe('Bytes the queue holds before new ones get 429. Keep below 80 % of the disk.'),
  ...dispatchSettings,
  ...trailSettings,
  ...monitoringSettings,
  ...apiMonitoringSetting,
  PENSTOCK_ACCESS_LOG: z
    .enum(['off', 'on'])
    .default('off')
    .describe('Whether each answered request is a line of the log: on or off. Probes are left out.'),
  PENSTOCK_AFFINITY: settingOf(parseAffinity)
    .prefault('auto')
    .describe(
      'How requests are bound to workers, for all models or per model: prefix, session, none, or auto (prefix for a dense model, none for a mixture of experts).',
    ),
  PENSTOCK_AFFINITY_WAIT_MS: z.coerce
    .number()
    .int()
    .min(10)
    .default(BOUND_WAIT_MS)
    .describe('How long a request waits for the worker that holds its prefix before any worker may take it.'),
  PENSTOCK_SYNC_HOLD_MS: z.coerce
    .number()
    .int()
    .min(100)
    .default(240_000)
    .describe(
      "How long a call without a stream is held before it becomes a job (202). Node's fetch waits 300 s.",
    ),
  PENSTOCK_KEEPALIVE_MS: z.coerce
    .number()
    .int()
    .min(100)
    .default(10_000)
    .describe('Silence after which a waiting stream gets an SSE comment.'),
  ...lameDuckSetting,
  PENSTOCK_DRAIN_MS: z.coerce
    .number()
    .int()
    .min(0)
    .default(8000)
    .describe('How long open requests may go on after that.'),
});
