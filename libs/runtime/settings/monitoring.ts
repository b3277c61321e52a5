/** The port for probes and metrics of a process that serves nothing else. */
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
type Settings = z.infer<z.ZodObject<typeof monitoringSettings>>;

/** Where to listen; null where no port is to be opened. */
export function monitoringAddress(settings: Settings): { host: string; port: number } | null {
  const { PENSTOCK_METRICS_HOST: host, PENSTOCK_METRICS_PORT: port } = settings;
  return port === undefined ? null : { host, port };
}
