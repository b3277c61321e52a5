/** The HTTP server of the console: its page, its logins, and the live state. Listens to nothing by itself. */
import type { DeadLetterWires } from '@penstock/runs';
import type { Logger } from '@penstock/runtime';
import type { AuditLog } from '@penstock/transport';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ActionDesk } from './actions/action-desk.ts';
import { loadAssets, pageOf, send, serveAssets } from './http/assets.ts';
import { type BatchReader, serveBatches } from './http/batches.ts';
import { type Guard, refuseCrossSite } from './http/guard.ts';
import { HttpError } from './http/http-error.ts';
import { serveLetters } from './http/letters.ts';
import { type Live, MOST_READERS } from './http/live.ts';
import { reached } from './http/reached.ts';
import { type RequestReader, serveRequests } from './http/requests.ts';
import { type ScalerReader, serveScaler } from './http/scaler.ts';
import { SECURITY_HEADERS } from './http/security-headers.ts';
import { serveTenants, type TenantReader } from './http/tenants.ts';
import { serveWebhooks, type WebhookReader } from './http/webhooks.ts';

export interface ServerOptions {
  readonly guard: Guard;
  readonly live: Live;
  readonly desk: ActionDesk;
  readonly audit: AuditLog;
  readonly requests: RequestReader;
  readonly batches: BatchReader;
  readonly webhooks: WebhookReader;
  readonly scaler: ScalerReader;
  readonly tenants: TenantReader;
  readonly deadLetters: () => Promise<DeadLetterWires>;
  /** Why the console cannot show the region now, or null. */
  readonly notReady: () => string | null;
  /** Unix ms. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: Pick<Logger, 'error'>;
}

/** What the page sends is small. */
const MOST_BODY = 16 * 1024;
/** The page is asked for again each time: it names the files of this version. */
const NOT_KEPT = 'no-cache';
/** Of the audit log, on one page. */
const MOST_ENTRIES = 200;

const login = z.object({ key: z.string().min(1) });
const liveQuery = z.object({ after: z.string().max(64).default(''), hz: z.enum(['1', '4']).default('1') });

export function buildServer(options: ServerOptions): FastifyInstance {
  const { guard, live, desk, audit, notReady } = options;
  const app = fastify({
    logger: false,
    bodyLimit: MOST_BODY,
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, options.log));
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'There is nothing here.'));
  const assets = loadAssets();
  serveAssets(app, assets);
  const page = pageOf(assets);
  app.get('/', (request, reply) => send(request, reply, page, NOT_KEPT));
  app.get('/robots.txt', (_request, reply) => reply.type('text/plain').send('User-agent: *\nDisallow: /\n'));
  app.get('/livez', (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const problem = notReady();
    return reply.code(problem === null ? 200 : 503).send({ status: problem ?? 'ok' });
  });
  addSessions(app, guard, desk);
  // A HEAD would be a reader who is never sent anything.
  app.get('/api/live', { exposeHeadRoute: false }, (request, reply) =>
    streamLive(request, reply, guard, live),
  );
  addActions(app, guard, desk, audit);
  serveRequests(app, guard, options.requests);
  serveBatches(app, guard, options.batches);
  serveWebhooks(app, guard, options.webhooks, options.now);
  serveLetters(app, guard, desk, options.deadLetters);
  serveTenants(app, guard, options.tenants, options);
  serveScaler(app, guard, options.scaler, options);
  return app;
}

function addActions(app: FastifyInstance, guard: Guard, desk: ActionDesk, audit: AuditLog): void {
  app.post('/api/actions', async (request, reply) => {
    refuseCrossSite(request);
    return unkept(reply).send({
      results: await desk.act({ ...guard.session(request), ip: request.ip }, request.body),
    });
  });
  app.get('/api/audit', async (request, reply) => {
    guard.session(request);
    return unkept(reply).send({
      entries: await reached(audit.list(MOST_ENTRIES), 'The audit log cannot be read now: is Redis there?'),
    });
  });
}

function addSessions(app: FastifyInstance, guard: Guard, desk: ActionDesk): void {
  app.get('/api/session', (request, reply) => unkept(reply).send({ session: guard.look(request) }));
  app.post('/api/session', (request, reply) => {
    refuseCrossSite(request);
    const given = login.safeParse(request.body);
    if (!given.success) throw new HttpError(400, 'Send {"key": …} as JSON.');
    const { key } = given.data;
    const session = guard.logIn(request, reply, key, why =>
      desk.refused({ who: 'nobody', ip: request.ip }, 'console.login', why),
    );
    return unkept(reply).send({ session });
  });
  app.delete('/api/session', (request, reply) => {
    refuseCrossSite(request);
    guard.logOut(reply);
    return reply.code(204).send();
  });
}

function unkept(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}

function streamLive(request: FastifyRequest, reply: FastifyReply, guard: Guard, live: Live): void {
  const session = guard.session(request);
  const query = liveQuery.safeParse(request.query);
  if (!query.success) throw new HttpError(400, 'Give hz as 1 or 4, and after as the id of an event.');
  if (live.readers >= MOST_READERS)
    throw new HttpError(
      503,
      `${MOST_READERS} pages are open at this console: close one, or start another console.`,
    );
  const { after, hz } = query.data;
  // A browser that comes back by itself names the last event it has seen here; a page that comes back, in the query.
  const last = request.headers['last-event-id'];
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...SECURITY_HEADERS,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  raw.write('retry: 1000\n\n');
  live.add(raw, typeof last === 'string' ? last : after, hz === '4', () => guard.isOpen(session));
}

/** @param log has what is not the sender's fault. */
function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Pick<Logger, 'error'>,
): FastifyReply {
  const about = { id: request.id, route: request.routeOptions.url };
  if (error instanceof HttpError) {
    if (error.cause !== undefined) log.error({ ...about, err: error.cause }, 'a request was not answered');
    return refuse(reply, error.status, error.message);
  }
  const { statusCode: status = 500, code = '' } = error as { statusCode?: number; code?: string };
  // The framework's own words quote nothing.
  const words = code.startsWith('FST_') ? (error as Error).message : 'The console takes no such request.';
  if (status < 500) return refuse(reply, status, words);
  log.error({ ...about, err: error }, 'a request failed here');
  return refuse(reply, status, 'The console failed: its log says more.');
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return unkept(reply).code(status).send({ error: { message } });
}
