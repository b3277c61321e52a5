/** The routes of a simulated engine: OpenAI's, vLLM's health and metrics, and switches for tests. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '@penstock/runtime/node-http';
import { type EngineOptions, EngineState } from '../engine/engine.ts';
import { type EarlyFault, type Fault, readFault, SENTINEL_MODELS } from '../engine/faults.ts';
import type { EngineStats } from '../engine/ledger.ts';
import { BadRequest } from '../model/bad-request.ts';
import { type Endpoint, readJob } from '../model/job.ts';
import { promptHash } from '../model/text.ts';
import { readEmbeddingJob, runEmbedding } from './embeddings.ts';
import { Generation } from './generation.ts';
import {
  parseForm,
  parseObject,
  readBody,
  sendBadRequest,
  sendJson,
  sendServerError,
  sendText,
} from './http-io.ts';
import { renderMetrics, tellLimit } from './metrics.ts';
import { errorBody } from './shapes.ts';
import { readTask, runTask } from './tasks.ts';

/** Longer than any client's own, so that a reused connection is not closed under a request. */
const KEEP_ALIVE_MS = 75_000;

type Json = Record<string, unknown>;
type Route = (engine: EngineState, res: ServerResponse, body: Json, url: URL) => void;

export interface SimEngine {
  /** Where it listens; empty before `listen`. */
  readonly url: string;
  readonly profile: string;
  /** @returns the URL. Port 0 takes a free one. */
  listen(port?: number, host?: string): Promise<string>;
  /** Drops every connection. */
  close(): Promise<void>;
  stats(): EngineStats;
}

export function buildEngine(options: EngineOptions = {}): SimEngine {
  const engine = new EngineState(options);
  const server = createServer((req, res) => handle(engine, req, res));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  let url = '';
  return {
    get url() {
      return url;
    },
    profile: engine.profile.name,
    listen: (port = 0, host = '127.0.0.1') =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          const bound = (server.address() as AddressInfo).port;
          url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
          resolve(url);
        });
      }),
    close: () =>
      new Promise(resolve => {
        engine.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    stats: () => engine.stats(),
  };
}

/** Method and path → what engines may lack. */
const TASK_OF = new Map<string, string>();

function tasksAt(paths: Readonly<Record<string, readonly string[]>>): Record<string, Route> {
  const routes: Record<string, Route> = {};
  for (const [name, all] of Object.entries(paths))
    for (const path of all) {
      TASK_OF.set(`POST ${path}`, name);
      routes[`POST ${path}`] = (engine, res, body) => infer(engine, res, body, name);
    }
  return routes;
}

const ROUTES: Readonly<Record<string, Route>> = {
  'POST /v1/chat/completions': (engine, res, body) => infer(engine, res, body, 'chat'),
  'POST /v1/completions': (engine, res, body) => infer(engine, res, body, 'completions'),
  'POST /v1/embeddings': (engine, res, body) => infer(engine, res, body, 'embeddings'),
  ...tasksAt({
    ...{ rerank: ['/v1/rerank', '/rerank'], score: ['/v1/score', '/score'], pooling: ['/pooling'] },
    ...{ classify: ['/classify'], tokenize: ['/tokenize'], detokenize: ['/detokenize'] },
    ...{ moderations: ['/v1/moderations'], images: ['/v1/images/generations'] },
    ...{ speech: ['/v1/audio/speech'], transcriptions: ['/v1/audio/transcriptions'] },
    translations: ['/v1/audio/translations'],
  }),
  'GET /v1/models': (engine, res) => sendJson(res, 200, modelList(engine)),
  'GET /health': (engine, res) => sendText(res, engine.healthy ? 200 : 503, 'text/plain', ''),
  'GET /metrics': (engine, res) => {
    const metrics = renderMetrics(engine);
    if (metrics === null) sendJson(res, 404, { detail: 'Not Found' });
    else sendText(res, 200, 'text/plain; version=0.0.4', metrics);
  },
  'GET /props': (engine, res) => sendLimit(engine, res, '/props'),
  'GET /get_server_info': (engine, res) => sendLimit(engine, res, '/get_server_info'),
  'GET /sim/stats': (engine, res, _body, url) => {
    const { startedIds, ...counts } = engine.stats();
    sendJson(res, 200, url.searchParams.get('ids') === '0' ? counts : { ...counts, startedIds });
  },
  'POST /sim/slowdown': (engine, res, body) => {
    const factor = body['factor'];
    if (typeof factor !== 'number' || !(factor > 0))
      return sendBadRequest(res, 'factor must be above 0', 'factor');
    engine.slowdown = factor;
    sendJson(res, 200, { factor });
  },
  'POST /sim/faults': (engine, res, body) => {
    const { errorShare = 0, hang = false } = body;
    if (typeof errorShare !== 'number' || !(errorShare >= 0 && errorShare <= 1))
      return sendBadRequest(res, 'errorShare must be from 0 to 1', 'errorShare');
    if (typeof hang !== 'boolean') return sendBadRequest(res, 'hang must be true or false', 'hang');
    engine.errorShare = errorShare;
    engine.hangs = hang;
    sendJson(res, 200, { errorShare, hang });
  },
  'POST /sim/health': (engine, res, body) => {
    if (typeof body['ok'] !== 'boolean') return sendBadRequest(res, 'ok must be true or false', 'ok');
    engine.healthy = body['ok'];
    sendJson(res, 200, { ok: engine.healthy });
  },
};

function handle(engine: EngineState, req: IncomingMessage, res: ServerResponse): void {
  const target = req.url ?? '/';
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  const route = routeOf(engine, `${req.method} ${path}`);
  readBody(req, bytes => {
    if (!route) return refuseRoute(engine, path, res);
    if (bytes === null) return sendJson(res, 413, errorBody('body too large', 'invalid_request_error', 413));
    const url = new URL(query < 0 ? '?' : target.slice(query), 'http://sim');
    const type = req.headers['content-type'] ?? '';
    if (type.startsWith('multipart/'))
      void parseForm(bytes, type).then(form => answer(engine, res, route, form, url));
    else answer(engine, res, route, req.method === 'POST' ? parseObject(bytes) : {}, url);
  });
}

function answer(engine: EngineState, res: ServerResponse, route: Route, body: Json | null, url: URL): void {
  if (body === null) return sendBadRequest(res, 'the body must be a JSON object, or a form');
  try {
    route(engine, res, body, url);
  } catch (err) {
    if (err instanceof BadRequest) sendBadRequest(res, err.message, err.param);
    else sendServerError(res, err instanceof Error ? err.message : 'unknown error');
  }
}

function routeOf(engine: EngineState, line: string): Route | undefined {
  const name = TASK_OF.get(line);
  return name === undefined || engine.has(name) ? ROUTES[line] : undefined;
}

/** As FastAPI does. */
function refuseRoute(engine: EngineState, path: string, res: ServerResponse): void {
  const other = routeOf(engine, `GET ${path}`) ?? routeOf(engine, `POST ${path}`);
  if (other === undefined) sendJson(res, 404, { detail: 'Not Found' });
  else sendJson(res, 405, { detail: 'Method Not Allowed' });
}

function sendLimit(engine: EngineState, res: ServerResponse, path: string): void {
  const told = tellLimit(engine, path);
  sendJson(res, told === null ? 404 : 200, told ?? { detail: 'Not Found' });
}

function modelList(engine: EngineState): object {
  const ids = engine.listSentinels ? [...engine.models, ...SENTINEL_MODELS] : engine.models;
  const { architecture } = engine.profile;
  const own = {
    object: 'model',
    created: engine.startedAt,
    owned_by: engine.dialect === 'llamacpp' ? 'llamacpp' : 'penstock-sim',
    architecture,
  };
  const data = ids.map(id => ({ id, ...own }));
  return { object: 'list', data };
}

function infer(engine: EngineState, res: ServerResponse, body: Json, endpoint: string): void {
  const model = body['model'] ?? engine.models[0];
  if (!engine.healthy) return sendServerError(res, 'the simulated engine is unhealthy');
  if (typeof model !== 'string') return sendBadRequest(res, 'model must be a string', 'model');
  const sentinel = engine.models.includes(model) ? null : readFault(model);
  if (sentinel === null && !engine.models.includes(model))
    return sendJson(
      res,
      404,
      errorBody(`The model \`${model}\` does not exist.`, 'NotFoundError', 404, 'model'),
    );
  const fault = engine.obeySentinels ? sentinel : null;
  if (fault?.kind === 'early' && strikes(engine, fault.fault, body))
    return failEarly(engine, res, fault.fault, model, body);
  if (engine.hangs) return failEarly(engine, res, 'hang', model, body);
  if (engine.errsNow) return failEarly(engine, res, 'fail', model, body);
  const factor = fault?.kind === 'slow' ? fault.factor : 1;
  if (endpoint === 'chat' || endpoint === 'completions')
    return generate(engine, res, endpoint, model, body, fault);
  if (endpoint !== 'embeddings') return runTask(engine, factor, res, readTask(engine, endpoint, model, body));
  const job = readEmbeddingJob(model, body);
  if (!engine.batcher(factor).fits(job.promptTokens, 0)) return sendTooLong(res);
  runEmbedding(engine, factor, res, job);
}

function generate(
  engine: EngineState,
  res: ServerResponse,
  endpoint: Endpoint,
  model: string,
  body: Json,
  fault: Fault | null,
): void {
  const job = readJob(endpoint, model, body, engine.blockTokens);
  const batcher = engine.batcher(fault?.kind === 'slow' ? fault.factor : 1);
  if (job.answers.some(a => !batcher.fits(a.promptTokens, a.outputTokens))) return sendTooLong(res);
  new Generation(engine, batcher, res, job, fault?.kind === 'late' ? fault : null).start();
}

function sendTooLong(res: ServerResponse): void {
  sendBadRequest(res, 'prompt and answer are longer than the KV cache', 'messages');
}

/** `sim-fail-once` answers normally the second time. */
function strikes(engine: EngineState, fault: EarlyFault, body: Json): boolean {
  return fault !== 'fail-once' || engine.failsNow(promptHash(body));
}

function failEarly(
  engine: EngineState,
  res: ServerResponse,
  fault: EarlyFault,
  model: string,
  body: Json,
): void {
  const record = engine.ledger.start({ promptHash: promptHash(body), model, from: 0 });
  if (fault === 'hang') {
    engine.hanging++;
    res.on('close', () => {
      engine.hanging--;
      engine.ledger.end(record, 'aborted');
    });
    return;
  }
  engine.ledger.end(record, 'failed');
  if (fault === 'disconnect') res.destroy();
  else if (fault === 'bad-request') sendBadRequest(res, 'the simulated engine refuses this request');
  else if (fault === 'garbage') sendText(res, 200, 'text/html', '<html><body>502 Bad Gateway</body></html>');
  else sendServerError(res, 'the simulated engine failed');
}
