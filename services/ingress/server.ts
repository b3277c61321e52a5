/** The HTTP server: the framework's settings, and the routes of all resources. Listens to nothing by itself. */
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { BatchesApi } from './api/batches.ts';
import type { FilesApi } from './api/files.ts';
import type { InferenceApi } from './api/inference.ts';
import type { JobsApi } from './api/jobs.ts';
import type { ModelsApi } from './api/models.ts';
import type { OperationsApi } from './api/operations.ts';
import type { ResponsesApi } from './api/responses.ts';
import type { StoredCompletionsApi } from './api/stored-completions.ts';
import type { WebhooksApi } from './api/webhooks.ts';
import type { Authenticate } from './http/auth.ts';
import { type BodyReader, letGoOfBody } from './http/body-reader.ts';
import { routeError, sendError } from './http/errors.ts';
import { type Api, createGuards } from './http/guards.ts';
import { refuseOnWire } from './http/wire-errors.ts';

/** A client may take this long to send its request: the largest file at 2.4 Mbit/s. Node gives the head a minute of it. */
const REQUEST_TIMEOUT_MS = 30 * 60_000;

/** All resources: one left out here would not be served. */
export interface Apis {
  readonly operations: OperationsApi;
  readonly models: ModelsApi;
  readonly inference: InferenceApi;
  readonly storedCompletions: StoredCompletionsApi;
  readonly jobs: JobsApi;
  readonly responses: ResponsesApi;
  readonly files: FilesApi;
  readonly batches: BatchesApi;
  readonly webhooks: WebhooksApi;
}

export interface ServerOptions {
  readonly apis: Apis;
  readonly authenticate: Authenticate;
  readonly bodies: BodyReader;
  readonly nextId: () => string;
}

export function buildServer({ apis, authenticate, bodies, nextId }: ServerOptions): FastifyInstance {
  const app = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 75_000,
    genReqId: () => nextId(),
    logger: false,
    forceCloseConnections: false,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler: refuseOnWire,
    // A URL that the router cannot read never gets to a route, nor to the handler of errors below.
    frameworkErrors: (error, request, reply) => sendError(reply, request, error),
  });
  app.decorateRequest('tenant', '');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request: FastifyRequest) => bodies.read(request.raw));
  app.addHook('onResponse', async request => letGoOfBody(request));
  app.setErrorHandler<Parameters<typeof sendError>[2]>((error, request, reply) => {
    // For a request without a route, other faults (its body, a method such as QUERY without one) do not matter.
    sendError(reply, request, request.is404 ? routeError(app, request, reply) : error);
  });
  app.setNotFoundHandler((request, reply) => sendError(reply, request, routeError(app, request, reply)));
  const guards = createGuards(authenticate);
  for (const api of Object.values<Api>({ ...apis })) api.addTo(app, guards);
  return app;
}
