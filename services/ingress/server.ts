/** The HTTP server: the framework's settings, and the routes of all resources. Listens to nothing by itself. */
import type { Caller } from '@penstock/access';
import { DispatchError, ENDPOINT_TABLE, ENDPOINTS } from '@penstock/protocol';
import { type Logger, VERSION } from '@penstock/runtime';
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { BatchesApi } from './api/batches.ts';
import type { FilesApi } from './api/files.ts';
import type { InferenceApi } from './api/inference.ts';
import type { JobsApi } from './api/jobs.ts';
import type { MessagesApi } from './api/messages.ts';
import type { ModelsApi } from './api/models.ts';
import { type OperationsApi, PROBES } from './api/operations.ts';
import type { AdminKeysApi } from './api/organization/admin-keys-api.ts';
import type { AuditLogsApi } from './api/organization/audit-logs-api.ts';
import type { ProjectKeysApi } from './api/organization/project-keys-api.ts';
import type { ProjectsApi } from './api/organization/projects-api.ts';
import type { ServiceAccountsApi } from './api/organization/service-accounts-api.ts';
import type { UsageLimitsApi } from './api/organization/usage-limits-api.ts';
import type { RequestsApi } from './api/requests.ts';
import type { CompactApi } from './api/responses/compact-api.ts';
import type { ConversationsApi } from './api/responses/conversations-api.ts';
import type { InputTokensApi } from './api/responses/input-tokens-api.ts';
import type { ResponsesApi } from './api/responses/responses-api.ts';
import type { StoredCompletionsApi } from './api/stored-completions.ts';
import type { WebhooksApi } from './api/webhooks.ts';
import { type Answers, NO_ROUTE } from './drain/answers.ts';
import type { Authenticator } from './http/auth.ts';
import { type BodyReader, letGoOfBody } from './http/body-reader.ts';
import { addCors, type Origins } from './http/cors.ts';
import { sendError, toDispatchError } from './http/errors.ts';
import { type Api, createGuards } from './http/guards.ts';
import { answer } from './http/headers.ts';
import { Paths } from './http/paths.ts';
import { answerUnrouted } from './http/unrouted.ts';
import { refuseOnWire } from './http/wire-errors.ts';
import type { AnswerRoom } from './sending/answer-room.ts';
import { sendInSlices } from './sending/sliced-answers.ts';
import type { AccessLog } from './telemetry/access-log.ts';
import type { RefusedKeys } from './telemetry/refused-keys.ts';
import type { SecureApi } from './tls/secure-api.ts';

/** A client may take this long to send its request: the largest file at 2.4 Mbit/s. Node gives the head a minute of it. */
const REQUEST_TIMEOUT_MS = 30 * 60_000;
/** How long a connection is kept that nothing is asked by. */
const IDLE_MS = 75_000;
/** Routes of endpoints are counted by the endpoint's name, which they have in all metrics. */
const ENDPOINT_OF = new Map<string, string>(
  ENDPOINTS.flatMap(name => ENDPOINT_TABLE[name].paths.map(path => [path, name] as const)),
);
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** All resources: one left out here would not be served. */
export interface Apis {
  readonly operations: OperationsApi;
  readonly models: ModelsApi;
  readonly requests: RequestsApi;
  readonly inference: InferenceApi;
  readonly storedCompletions: StoredCompletionsApi;
  readonly jobs: JobsApi;
  readonly messages: MessagesApi;
  readonly responses: ResponsesApi;
  readonly inputTokens: InputTokensApi;
  readonly compact: CompactApi;
  readonly conversations: ConversationsApi;
  readonly files: FilesApi;
  readonly batches: BatchesApi;
  readonly webhooks: WebhooksApi;
  readonly projects: ProjectsApi;
  readonly projectKeys: ProjectKeysApi;
  readonly serviceAccounts: ServiceAccountsApi;
  readonly adminKeys: AdminKeysApi;
  readonly auditLogs: AuditLogsApi;
  readonly usageLimits: UsageLimitsApi;
}

export interface ServerOptions {
  readonly apis: Apis;
  readonly authenticator: Pick<Authenticator, 'adminOf' | 'callerOf'>;
  /** Throws DispatchError where nothing can be let in now. */
  readonly letIn: () => void;
  /** Null where the port speaks plainly. */
  readonly tls: Pick<SecureApi, 'factory'> | null;
  /** Whose pages may read answers. */
  readonly corsOrigins: Origins;
  readonly answers: Answers;
  readonly bodies: BodyReader;
  readonly room: AnswerRoom;
  readonly nextId: () => string;
  readonly log: Pick<Logger, 'error'>;
  readonly refusedKeys: Pick<RefusedKeys, 'note'>;
  /** Null where it is off. */
  readonly accessLog: AccessLog | null;
}

export function buildServer(options: ServerOptions): FastifyInstance {
  const { apis, authenticator, letIn, corsOrigins, answers, bodies, room, nextId, tls } = options;
  const paths = new Paths();
  const app = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_MS,
    ...(tls === null
      ? {}
      : {
          serverFactory: tls.factory({ requestTimeoutMs: REQUEST_TIMEOUT_MS, keepAliveTimeoutMs: IDLE_MS }),
        }),
    genReqId: () => nextId(),
    rewriteUrl: request => paths.canonical(request.url ?? '/'),
    logger: false,
    forceCloseConnections: false,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler: (error, socket) => refuseOnWire(error, socket, status => answers.unread(status)),
    // A URL that the router cannot read never gets to a route, nor to the handler of errors below.
    frameworkErrors: (error, request, reply) => {
      answers.begin(reply.raw, NO_ROUTE);
      fail(reply, request, error, options);
    },
  });
  app.decorateRequest('caller');
  app.decorateRequest('admin');
  app.decorateRequest('tenant', { getter: tenantOf });
  app.addHook('onRequest', async ({ routeOptions }, reply) =>
    answers.begin(reply.raw, nameOf(routeOptions.url)),
  );
  options.accessLog?.addTo(app, route => PROBES.has(route));
  app.removeAllContentTypeParsers();
  addJsonBodies(app, bodies);
  sendInSlices(app, room);
  app.addHook('onResponse', async request => letGoOfBody(request));
  app.setErrorHandler<FastifyError | DispatchError>((error, request, reply) => {
    // For a request without a route, other faults (its body, a method such as QUERY without one) do not matter.
    if (request.is404) answerUnrouted(app, paths, request, reply);
    else fail(reply, request, error, options);
  });
  app.setNotFoundHandler((request, reply) => answerUnrouted(app, paths, request, reply));
  addCors(app, corsOrigins);
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') paths.add(each, url);
  });
  const guards = createGuards(authenticator, letIn);
  for (const api of Object.values<Api>({ ...apis })) api.addTo(app, guards);
  addIndex(app, paths);
  return app;
}

/** What is our fault is in the log, under the id that its client is told; who was refused in the audit log. A request without a key is a mistake. */
function fail(
  reply: FastifyReply,
  request: FastifyRequest,
  error: FastifyError | DispatchError,
  { log, refusedKeys }: Pick<ServerOptions, 'log' | 'refusedKeys'>,
): void {
  const known = toDispatchError(error);
  const { status, cause, code } = known;
  if (status === 500) log.error({ id: request.id, err: cause ?? known }, 'a request failed here');
  if ((status === 401 && code !== 'missing_api_key') || status === 403)
    refusedKeys.note({ ip: request.ip, why: code, project: request.tenant });
  sendError(reply, request, known);
}

/** Empty for a request whose key was refused, or that needs none. */
function tenantOf(this: FastifyRequest): string {
  return (this.caller as Caller | undefined)?.project ?? '';
}

/** The label of a route in the metrics; null where it is not counted. */
function nameOf(url: string | undefined): string | null {
  if (url === undefined) return NO_ROUTE;
  return PROBES.has(url) ? null : (ENDPOINT_OF.get(url) ?? url);
}

/** Bodies as bytes. Without a type they are taken for JSON, as scripts send it, and a byte order mark is left out (RFC 8259, 8.1). */
function addJsonBodies(app: FastifyInstance, bodies: BodyReader): void {
  const read = async ({ raw, tenant }: FastifyRequest) => {
    const body = await bodies.read(raw, tenant);
    return body.subarray(0, BOM.length).equals(BOM) ? body.subarray(BOM.length) : body;
  };
  app.addContentTypeParser('application/json', read);
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    if (request.headers['content-type'] !== undefined) throw new DispatchError('unsupported_media_type');
    return read(request);
  });
}

/** What tools ask for first, to see whether there is anything, and people to see what. */
function addIndex(app: FastifyInstance, paths: Paths): void {
  for (const path of ['/', '/v1'])
    app.get(path, (request, reply) =>
      answer(reply, request, {
        ...{ object: 'api', name: 'Penstock', version: VERSION },
        ...{ base_url: '/v1', description: '/openapi.json', models: '/v1/models', health: '/health' },
        routes: paths.list(),
      }),
    );
}
