/** Everything an operator can set on a tasks process. */
import { z } from 'zod';

const token = z.string().regex(/^[a-z0-9_-]{1,48}$/, 'use 1-48 characters of a-z, 0-9, _ and -');

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
  PENSTOCK_FILES_DIR: z
    .string()
    .default('.penstock/files')
    .describe('Directory of file contents, shared with the ingress nodes.'),
  PENSTOCK_BATCH_WINDOW: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .describe('Requests of one batch that are queued or running at once.'),
  PENSTOCK_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});
