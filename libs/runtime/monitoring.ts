/**
 * Probes and metrics over HTTP, on a port of their own. Nothing that comes in is read but the method and the path:
 * whoever reaches the port learns how the process is, and can do nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './logs/logger.ts';
import type { MetricSet } from './metrics.ts';
import { createServer } from './node-http.ts';
import { exitBlaming } from './read-config.ts';

export interface MonitoringOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: MetricSet;
  /** Why this process takes no work now, or null. */
  readonly notReady: () => string | null;
}

export interface Monitoring {
  readonly url: string;
  close(): Promise<void>;
}

/** Names as an ingress has them: Kubernetes' and those of load balancers. */
const ALIVE = new Set(['/livez']);
const READY = new Set(['/readyz', '/healthz', '/health']);
const PATHS = '/livez, /readyz and /metrics';
/** A request has a head and no body, so it is here at once. */
const REQUEST_LIMIT_MS = 5000;
const MOST_CONNECTIONS = 100;

/** @throws where the address cannot be listened on. */
export async function startMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  const server = createServer(
    {
      requestTimeout: REQUEST_LIMIT_MS,
      headersTimeout: REQUEST_LIMIT_MS,
      connectionsCheckingInterval: REQUEST_LIMIT_MS,
    },
    (request, response) => void answer(options, request, response),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.on('clientError', (_err, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  server.removeAllListeners('error');
  server.on('error', () => {});
  // The last thing of a process to end, never what keeps it running.
  server.unref();
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** As {@link startMonitoring}. @returns once it listens; an address that cannot be listened on ends the process. */
export async function startMonitoringOrExit(
  options: MonitoringOptions,
  log: Pick<Logger, 'info'>,
): Promise<void> {
  const { url } = await startMonitoring(options).catch(exitBlaming('PENSTOCK_METRICS_PORT'));
  log.info({ url }, 'metrics');
}

async function answer(
  { metrics, notReady }: MonitoringOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?', 1)[0] ?? '/';
  const say = (status: number, type: string, text: string) => {
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  const tell = (status: number, text: string) =>
    say(status, 'application/json', `${JSON.stringify({ status: text })}\n`);
  if (request.method !== 'GET' && request.method !== 'HEAD') return tell(405, 'use GET');
  if (ALIVE.has(path)) return tell(200, 'ok');
  if (READY.has(path)) {
    const problem = notReady();
    return tell(problem === null ? 200 : 503, problem ?? 'ok');
  }
  if (path !== '/metrics') return tell(404, `not here: there are ${PATHS}`);
  try {
    const { type, text } = await metrics.exposition(request.headers.accept);
    say(200, type, text);
  } catch {
    tell(500, 'the metrics could not be read');
  }
}
