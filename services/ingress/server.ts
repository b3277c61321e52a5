/** The HTTP face: routes, authentication and error shapes. Listens to nothing by itself. */
import {
  DispatchError,
  ENDPOINT_PATHS,
  type Endpoint,
  type ModelInfo,
  openApiDocument,
  toErrorBody,
} from '@penstock/protocol';
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { addBatches, type BatchesDeps } from './api/batches.ts';
import { addFiles } from './api/files.ts';
import type { ResponseRoute, Responses } from './api/responses.ts';
import { addCompletions } from './api/stored-completions.ts';
import { addWebhooks, type WebhooksDeps } from './api/webhooks.ts';
import { type SubmitDeps, submit } from './dispatch/submit.ts';
import type { Authenticate } from './http/auth.ts';
import { refuseOnWire } from './http/wire-errors.ts';
import { baseHeaders, errorHeaders } from './replies/http-reply.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Digest of the API key; set once the request is authenticated. */
    tenant: string;
  }
}

/** A client may take this long to send its request: the largest file at 2.4 Mbit/s. Node gives the head a minute of it. */
const REQUEST_TIMEOUT_MS = 30 * 60_000;

export interface AppDeps extends SubmitDeps, BatchesDeps, WebhooksDeps {
  readonly authenticate: Authenticate;
  readonly responses: Responses;
  readonly bodyLimitBytes: number;
  /** Why this node should get no traffic now, or null. */
  readonly notReady: () => string | null;
}

export function buildApp(deps: AppDeps): FastifyInstance {
  const app = fastify({
    bodyLimit: deps.bodyLimitBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 75_000,
    genReqId: () => deps.nextId(),
    logger: false,
    forceCloseConnections: false,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler: refuseOnWire,
    // A URL that the router cannot read never gets to a route, nor to the handler of errors below.
    frameworkErrors: (error, request, reply) => sendError(reply, request, toDispatchError(error)),
  });
  app.decorateRequest('tenant', '');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  app.setErrorHandler((error: FastifyError | DispatchError, request, reply) => {
    // What is wrong with a request to no route (its body, a method such as QUERY without one) does not matter.
    sendError(reply, request, request.is404 ? notFound(app, request, reply) : toDispatchError(error));
  });
  app.setNotFoundHandler((request, reply) => sendError(reply, request, notFound(app, request, reply)));
  addOperations(app, deps);
  addModels(app, deps);
  for (const [endpoint, url] of Object.entries(ENDPOINT_PATHS) as [Endpoint, string][]) {
    app.post(url, { onRequest: request => guard(deps, request) }, (request, reply) =>
      submit(deps, endpoint, request, reply),
    );
  }
  addCompletions(app, deps, request => guard(deps, request));
  addJobs(app, deps);
  addResponses(app, deps);
  addFiles(app, deps, request => guard(deps, request));
  addBatches(app, deps, request => guard(deps, request));
  addWebhooks(app, deps, request => guard(deps, request));
  return app;
}

function addJobs(app: FastifyInstance, deps: AppDeps): void {
  const onRequest = async (request: FastifyRequest) => {
    request.tenant = deps.authenticate(request.headers.authorization);
  };
  type Job = { Params: { id: string } };
  app.get<Job>('/v1/jobs/:id', { onRequest }, (request, reply) => deps.jobs.show(deps, request, reply));
  app.delete<Job>('/v1/jobs/:id', { onRequest }, (request, reply) => deps.jobs.remove(deps, request, reply));
  app.post<Job>('/v1/jobs/:id/cancel', { onRequest }, (request, reply) =>
    deps.jobs.cancel(deps, request, reply),
  );
}

function addResponses(app: FastifyInstance, deps: AppDeps): void {
  const { responses } = deps;
  const onRequest = (request: FastifyRequest) => guard(deps, request);
  app.post('/v1/responses', { onRequest }, (request, reply) => responses.create(deps, request, reply));
  // Not served; without a route of their own they would be taken for ids, and answered with 405.
  for (const name of ['compact', 'input_tokens'])
    app.post(`/v1/responses/${name}`, { onRequest }, () => {
      throw new DispatchError('not_found', { message: `POST /v1/responses/${name} is not served here.` });
    });
  app.get<ResponseRoute>('/v1/responses/:id', { onRequest }, (request, reply) =>
    responses.show(deps, request, reply),
  );
  app.delete<ResponseRoute>('/v1/responses/:id', { onRequest }, (request, reply) =>
    responses.remove(deps, request, reply),
  );
  app.post<ResponseRoute>('/v1/responses/:id/cancel', { onRequest }, (request, reply) =>
    responses.cancel(deps, request, reply),
  );
  app.get<ResponseRoute>('/v1/responses/:id/input_items', { onRequest }, (request, reply) =>
    responses.inputItems(deps, request, reply),
  );
}

async function guard(deps: AppDeps, request: FastifyRequest): Promise<void> {
  request.tenant = deps.authenticate(request.headers.authorization);
  refuseRepeated(request.query as Record<string, unknown>);
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new DispatchError('unsupported_media_type', {
      message: 'Compressed request bodies are not accepted; send the body without Content-Encoding.',
    });
  }
}

/** A parameter given twice comes as an array, which nothing behind this expects; only the SDKs' lists (`include[]`) may. */
function refuseRepeated(query: Record<string, unknown>): void {
  const param = Object.keys(query).find(name => typeof query[name] !== 'string' && !name.endsWith('[]'));
  if (param === undefined) return;
  throw new DispatchError('invalid_request', { message: 'Give each query parameter once.', param });
}

function addOperations(app: FastifyInstance, deps: AppDeps): void {
  app.get('/livez', (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const problem = deps.notReady();
    return reply.code(problem === null ? 200 : 503).send({ status: problem ?? 'ok' });
  });
  const document = openApiDocument();
  app.get('/openapi.json', (request, reply) =>
    reply.headers(baseHeaders(request.id, deps.clock.now())).send(document),
  );
  app.get('/metrics', async (_request, reply) =>
    reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics()),
  );
}

function addModels(app: FastifyInstance, deps: AppDeps): void {
  const onRequest = async (request: FastifyRequest) => {
    request.tenant = deps.authenticate(request.headers.authorization);
  };
  app.get('/v1/models', { onRequest }, (request, reply) => {
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send({ object: 'list', data: deps.fleet.models().map(toModel) });
  });
  // A wildcard: model names hold slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', { onRequest }, (request, reply) => {
    const model = deps.fleet.model(request.params['*']);
    if (model === undefined) throw new DispatchError('model_not_found', { param: 'model' });
    reply.headers(baseHeaders(request.id, deps.clock.now()));
    return reply.send(toModel(model));
  });
}

function toModel(model: ModelInfo) {
  return { id: model.name, object: 'model', created: model.created, owned_by: model.ownedBy };
}

function notFound(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): DispatchError {
  const url = request.url.split('?', 1)[0] ?? '/';
  const allowed = (['GET', 'POST', 'DELETE'] as const).filter(
    method => app.findRoute({ method, url }) !== null,
  );
  if (allowed.length === 0) return new DispatchError('not_found');
  void reply.header('allow', allowed.join(', '));
  return new DispatchError('method_not_allowed');
}

function toDispatchError(error: FastifyError | DispatchError): DispatchError {
  if (error instanceof DispatchError) return error;
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new DispatchError('body_too_large');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new DispatchError('unsupported_media_type');
    case 'FST_ERR_BAD_URL':
      return new DispatchError('invalid_request', { message: 'The URL is not valid: check its % escapes.' });
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new DispatchError('not_found', { message: 'Nothing here has an id of this length.' });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new DispatchError('invalid_request');
  }
  if (error.statusCode !== undefined && error.statusCode < 500) return new DispatchError('invalid_request');
  return new DispatchError('internal_error', { cause: error });
}

function sendError(reply: FastifyReply, request: FastifyRequest, error: DispatchError): void {
  void reply
    .code(error.status)
    .headers({ ...baseHeaders(request.id, Date.now()), ...errorHeaders(error) })
    .send(toErrorBody(error));
}
