/** What operators and tools ask for: whether the node is alive and ready, its metrics, the document of the API. */
import { type ApiMonitoring, VERSION } from '@penstock/runtime';
import type { FastifyInstance } from 'fastify';
import type { Api } from '../http/guards.ts';
import { answer } from '../http/headers.ts';
import type { IngressMetrics } from '../metrics.ts';

/** The names that load balancers and clients of other servers ask by: Kubernetes', vLLM's and SGLang's, LiteLLM's. */
const ALIVE = ['/livez', '/health/liveliness', '/health/liveness'];
const READY = ['/readyz', '/health', '/healthz', '/ping', '/health/readiness'];
/** Asked all the time, by tools: no requests that anybody counts. */
export const PROBES: ReadonlySet<string> = new Set([...ALIVE, ...READY, '/metrics']);

export class OperationsApi implements Api {
  readonly #metrics: IngressMetrics;
  readonly #notReady: () => string | null;
  readonly #shown: ApiMonitoring;

  /** @param notReady why this node should get no traffic now, or null. @param shown what this port tells of monitoring. */
  constructor(metrics: IngressMetrics, notReady: () => string | null, shown: ApiMonitoring = 'all') {
    this.#metrics = metrics;
    this.#notReady = notReady;
    this.#shown = shown;
  }

  addTo(app: FastifyInstance): void {
    if (this.#shown !== 'none') this.#addProbes(app);
    if (this.#shown === 'all') this.#addMetrics(app);
    app.get('/version', (_request, reply) => reply.send({ version: VERSION, name: 'Penstock' }));
    let document: ReturnType<typeof documentOfApi> | null = null;
    app.get('/openapi.json', async (request, reply) => {
      document ??= documentOfApi();
      return answer(reply, request, await document);
    });
  }

  #addProbes(app: FastifyInstance): void {
    for (const path of ALIVE) app.get(path, (_request, reply) => reply.send({ status: 'ok' }));
    for (const path of READY)
      app.get(path, (_request, reply) => {
        const problem = this.#notReady();
        return reply.code(problem === null ? 200 : 503).send({ status: problem ?? 'ok' });
      });
  }

  #addMetrics(app: FastifyInstance): void {
    app.get('/metrics', async (request, reply) => {
      const { type, text } = await this.#metrics.set.exposition(request.headers.accept);
      return reply.type(type).send(text);
    });
  }
}

/** Loaded and made only where somebody asks for it: few nodes ever are. */
async function documentOfApi() {
  const { openApiDocument } = await import('@penstock/protocol/openapi');
  return openApiDocument(VERSION);
}
