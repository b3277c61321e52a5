/** The port for probes and metrics, apart from anything else that a process serves. */
import { z } from 'zod';

export const monitoringSettings = {
  PENSTOCK_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Port for GET /metrics, /livez and /readyz; 0 picks a free one. If absent, none is opened.'),
  PENSTOCK_METRICS_HOST: z
    .string()
    .default('127.0.0.1')
    .describe(
      'Address of that port. Elsewhere than on this machine, give one of a private network, such as the IP of the pod.',
    ),
};

/** What the port of an API tells of the process that serves it: all of monitoring, probes alone, or nothing. */
export const API_MONITORING = ['all', 'probes', 'none'] as const;
export type ApiMonitoring = (typeof API_MONITORING)[number];

export const apiMonitoringSetting = {
  PENSTOCK_API_MONITORING: z
    .enum(API_MONITORING)
    .default('all')
    .describe(
      'What the port of the API answers of it, too, without a key: all, probes (no GET /metrics), or none. Whoever reaches the API reaches that.',
    ),
};
type Settings = z.infer<z.ZodObject<typeof monitoringSettings>>;

/** Where to listen; null where no port is to be opened. */
export function monitoringAddress(settings: Settings): { host: string; port: number } | null {
  const { PENSTOCK_METRICS_HOST: host, PENSTOCK_METRICS_PORT: port } = settings;
  return port === undefined ? null : { host, port };
}
