/** Settings of a tasks process. */

import { limitSettings } from '@penstock/access';
import {
  auditSettings,
  bodySettings,
  clearTextSetting,
  encryptionSettings,
  engineRulesSettings,
  filesSettings,
  keepingSettings,
  modelSettings,
  monitoringSettings,
  nameSetting,
  regionSettings,
  webhookAllowSetting,
} from '@penstock/runtime';
import { KeyList } from '@penstock/transport';
import { readAllowList } from '@penstock/transport/egress';
import { z } from 'zod';

export const tasksConfig = z.object({
  PENSTOCK_TASKS_ID: nameSetting.optional().describe('Name of this process; generated if absent.'),
  ...regionSettings,
  ...clearTextSetting,
  ...auditSettings,
  ...filesSettings,
  ...encryptionSettings(KeyList.parse),
  ...bodySettings,
  PENSTOCK_BATCH_WINDOW: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .describe('Requests of one batch that are queued or running at once.'),
  ...keepingSettings,
  ...monitoringSettings,
  ...modelSettings,
  ...limitSettings,
  ...webhookAllowSetting(readAllowList),
  ...engineRulesSettings(readAllowList),
  PENSTOCK_WEBHOOKS: z
    .string()
    .optional()
    .describe(
      'Webhook endpoints that you configure for tenants, as JSON. Must be the same at all tasks processes.',
    ),
  PENSTOCK_WEBHOOK_TIMEOUT_MS: z.coerce
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(15_000)
    .describe('How long an attempt may take, from resolving the name to the status of the answer.'),
  PENSTOCK_WEBHOOK_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(10)
    .describe('Concurrent attempts of one process for one endpoint.'),
  PENSTOCK_WEBHOOK_SCHEDULE_SCALE: z.coerce
    .number()
    .positive()
    .max(10)
    .default(1)
    .describe('Factor on all pauses between attempts.'),
  PENSTOCK_BATCH_ONE_MODEL: z
    .stringbool()
    .prefault('false')
    .describe('Whether all lines of a batch must ask for the same model, as at OpenAI.'),
});
