/** What `npm start` takes from the environment. */
import { commandLine, partsIn } from '@penstock/runtime';
import { z } from 'zod';

const urls = z
  .string()
  .transform(partsIn)
  .pipe(z.array(z.url({ protocol: /^https?$/, error: 'give each engine as http(s)://host:port' })).min(1));

export const startConfig = z.object({
  PENSTOCK_PORT: z.coerce.number().int().min(1).max(65_535).default(8080).describe('Port of the API.'),
  PENSTOCK_HOST: z.string().default('127.0.0.1').describe('Address of the API.'),
  PENSTOCK_CONSOLE_PORT: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(8090)
    .describe('Port of the console, at the address of the API.'),
  PENSTOCK_ADMIN_KEY: z
    .string()
    .min(12, 'an admin key needs 12 characters or more')
    .regex(/^[^\s,]+$/, 'an admin key holds no blanks and no commas')
    .optional()
    .describe('Key to log in to the console with; if absent, one is generated on the first start and kept.'),
  PENSTOCK_DATA_DIR: z
    .string()
    .default('.penstock')
    .describe('Queue, stored answers, files, logs, pid files and the generated key.'),
  PENSTOCK_API_KEY: z
    .string()
    .min(8, 'an API key needs 8 characters or more')
    .regex(/^[^\s,]+$/, 'an API key holds no blanks and no commas')
    .optional()
    .describe('API key; if absent, one is generated on the first start and kept.'),
  PENSTOCK_ENGINES: urls
    .optional()
    .describe(
      'Base URLs of engines, comma-separated, each of which gets a worker; simulated engines if absent.',
    ),
  PENSTOCK_WORKERS: z.coerce
    .number({ error: 'give a number of workers from 1 to 64' })
    .int()
    .min(1, 'give a number of workers from 1 to 64')
    .max(64, 'give a number of workers from 1 to 64')
    .default(2)
    .describe('Workers, each with a simulated engine. With PENSTOCK_ENGINES there is one per engine.'),
  PENSTOCK_SCALE: z
    .string()
    .transform((text, ctx) => {
      const [, least = '', most = ''] = /^(\d{1,2})\.\.(\d{1,2})$/.exec(text.trim()) ?? [];
      const range = { least: Number(least), most: Number(most) };
      if (least !== '' && range.least <= range.most && range.most >= 1 && range.most <= 64) return range;
      ctx.addIssue({ code: 'custom', message: 'give fewest and most workers as 1..8, at most 64' });
      return z.NEVER;
    })
    .optional()
    .describe(
      'Fewest and most workers, as 1..8: simulated ones are started and ended by what is asked of them, in place of PENSTOCK_WORKERS.',
    ),
  PENSTOCK_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_000)
    .optional()
    .describe(
      'Port for metrics and probes of the tasks process; workers get those after it. If absent, none are opened.',
    ),
  PENSTOCK_NATS_URL: z
    .string()
    .optional()
    .describe('A NATS that runs already, as services take it; if absent, one is started.'),
  PENSTOCK_NATS_CIPHER: z
    .enum(['off', 'aes'])
    .default('off')
    .describe('Whether the NATS that is started encrypts its files. Once it does, they need their key.'),
  PENSTOCK_NATS_CIPHER_KEY: z
    .string()
    .regex(
      /^[\x20\x21\x23-\x5b\x5d-\x7e]{16,}$/,
      'give 16 characters or more, without quotes and backslashes',
    )
    .optional()
    .describe('Key for that; if absent, one is generated on the first start and kept.'),
  PENSTOCK_REDIS_URL: z
    .string()
    .optional()
    .describe('A Redis that runs already, as services take it; if absent, one is started.'),
  PENSTOCK_WEBHOOK_ALLOW: z
    .string()
    .optional()
    .describe(
      'Where webhooks may be sent although it is not public; by default this machine, if the API listens for this machine only. Never to a port of the stack.',
    ),
  PENSTOCK_MEDIA_ALLOW: z
    .string()
    .optional()
    .describe(
      'Where engines may fetch media from that requests name although it is not public. Never from a port of the stack.',
    ),
});
export type StartConfig = z.infer<typeof startConfig>;

/** What `start --help` prints. */
export function startUsage(): string {
  const { properties = {} } = z.toJSONSchema(startConfig, { io: 'input', unrepresentable: 'any' });
  const settings = Object.entries(properties).map(([name, about]) => {
    const { default: value, description } = about as { default?: unknown; description?: string };
    return `  ${name}${value === undefined ? '' : ` (${value})`}\n      ${description ?? ''}`;
  });
  return `Usage: [NAME=VALUE ...] ${commandLine('start')}

Runs a complete Penstock on this machine until Ctrl-C: NATS, Redis, API, console, and a worker for each engine. Settings are environment
variables; what has a default shows it in brackets. All others of docs/configuration.md reach the services, too.

${settings.join('\n')}
`;
}
