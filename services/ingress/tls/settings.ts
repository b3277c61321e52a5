/** TLS at the port of the API. */
import { z } from 'zod';

export const tlsSettings = {
  PENSTOCK_TLS_CERT: z
    .string()
    .optional()
    .describe(
      'Certificate (PEM) of the API, with those between it and its authority: asks for TLS (1.2 and newer), with HTTP/1.1 and HTTP/2. Given with PENSTOCK_TLS_CERT_FILE, it is read again when its file changes.',
    ),
  PENSTOCK_TLS_KEY: z.string().optional().describe('Private key (PEM) of PENSTOCK_TLS_CERT.'),
};
