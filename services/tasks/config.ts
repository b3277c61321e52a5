/** Everything an operator can set on a tasks process. */

import { filesSettings } from '@penstock/runtime';
import { readAllowList } from '@penstock/transport';
import { z } from 'zod';

const token = z.string().regex(/^[a-z0-9_-]{1,48}$/, 'use 1-48 characters of a-z, 0-9, _ and -');

const allowList = z
  .string()
  .prefault('')
  .transform((text, ctx) => {
    try {
      return readAllowList(text);
    } catch (err) {
      ctx.addIssue({ code: 'custom', message: (err as Error).message });
      return z.NEVER;
    }
  })
  .describe(
    'Hosts, addresses and CIDR ranges, with or without :port, that webhooks may reach though they are not public.',
  );

export const tasksConfig = z.object({
  PENSTOCK_TASKS_ID: token.optional().describe('Name of this process; made up when absent.'),
  PENSTOCK_REGION: token.default('local').describe('Region whose workers run the batches.'),
  PENSTOCK_SHARDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Streams of the region. The same at ingress and workers.'),
  PENSTOCK_NATS_URL: z.string().default('nats://127.0.0.1:4222').describe('NATS server(s) of the region.'),
  PENSTOCK_REDIS_URL: z.string().default('redis://127.0.0.1:6379').describe('Redis of the region.'),
  ...filesSettings,
  PENSTOCK_BATCH_WINDOW: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .describe('Requests of one batch that are queued or running at once.'),
  PENSTOCK_EVENTS_TTL_S: z.coerce
    .number()
    .int()
    .min(1)
    .default(43_200)
    .describe('How long the events of a final response can be read again. The same at ingress and workers.'),
  PENSTOCK_WEBHOOK_ALLOW: allowList,
  PENSTOCK_WEBHOOKS: z
    .string()
    .optional()
    .describe('Webhook endpoints set up for tenants, JSON. The same at all tasks processes.'),
  PENSTOCK_WEBHOOKS_FILE: z.string().optional().describe('The same, as the path of a file.'),
  PENSTOCK_WEBHOOK_TIMEOUT_MS: z.coerce
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(15_000)
    .describe('How long an attempt may take from the resolver to the status of the answer.'),
  PENSTOCK_WEBHOOK_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(10)
    .describe('Attempts of one process under way at once for one endpoint.'),
  PENSTOCK_WEBHOOK_SCHEDULE_SCALE: z.coerce
    .number()
    .positive()
    .max(10)
    .default(1)
    .describe('Stretches or shrinks all pauses between attempts.'),
  PENSTOCK_BATCH_ONE_MODEL: z
    .stringbool()
    .default(false)
    .describe("Whether all lines of a batch must ask for the same model, as OpenAI's do."),
  PENSTOCK_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});
