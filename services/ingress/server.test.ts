import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { DispatchError } from '@penstock/protocol';
import { OPERATIONS } from '@penstock/protocol/openapi';
import type { ApiMonitoring } from '@penstock/runtime';
import { BatchesApi } from './api/batches.ts';
import { FilesApi } from './api/files.ts';
import { InferenceApi } from './api/inference.ts';
import { JobsApi } from './api/jobs.ts';
import { MessagesApi } from './api/messages.ts';
import { ModelsApi } from './api/models.ts';
import { OperationsApi } from './api/operations.ts';
import { AdminKeysApi } from './api/organization/admin-keys-api.ts';
import { AuditLogsApi } from './api/organization/audit-logs-api.ts';
import { ProjectKeysApi } from './api/organization/project-keys-api.ts';
import { ProjectsApi } from './api/organization/projects-api.ts';
import { ServiceAccountsApi } from './api/organization/service-accounts-api.ts';
import { UsageLimitsApi } from './api/organization/usage-limits-api.ts';
import { RequestsApi } from './api/requests.ts';
import { CompactApi } from './api/responses/compact-api.ts';
import { ConversationsApi } from './api/responses/conversations-api.ts';
import { InputTokensApi } from './api/responses/input-tokens-api.ts';
import { ResponsesApi } from './api/responses/responses-api.ts';
import { StoredCompletionsApi } from './api/stored-completions.ts';
import { MAX_FILE_BYTES } from './api/upload.ts';
import { WebhooksApi } from './api/webhooks.ts';
import { Answers } from './drain/answers.ts';
import type { Origins } from './http/cors.ts';
import { type Apis, buildServer } from './server.ts';
import { AccessLog } from './telemetry/access-log.ts';

/** Other names of documented routes, and the index at the root. */
const UNDOCUMENTED = [
  ...['/', '/healthz', '/ping', '/health/liveliness', '/health/liveness', '/health/readiness'].map(
    path => `GET ${path}`,
  ),
];

/** What the servers of this file logged. */
const logged: object[] = [];
const log = { error: (about: object) => void logged.push(about) };

/** Keys that they refused. */
const refusals: object[] = [];

/** Lines of their access logs. */
const accesses: object[] = [];

/** What the servers of this file answered. */
const counted: { endpoint: string; status: string }[] = [];

/** The product's routes, with nothing behind them. */
function startServer(
  corsOrigins: Origins = new Set(),
  shown: ApiMonitoring = 'all',
  authenticate = () => 't',
) {
  const none = {} as never;
  const apis: Apis = {
    operations: new OperationsApi(none, () => null, shown),
    models: new ModelsApi(none),
    requests: new RequestsApi(none),
    inference: new InferenceApi(none),
    storedCompletions: new StoredCompletionsApi(none),
    jobs: new JobsApi(none),
    messages: new MessagesApi(none),
    responses: new ResponsesApi(none),
    inputTokens: new InputTokensApi(none),
    compact: new CompactApi(none),
    conversations: new ConversationsApi(none),
    files: new FilesApi(none),
    batches: new BatchesApi(none),
    webhooks: new WebhooksApi(none),
    projects: new ProjectsApi(none),
    projectKeys: new ProjectKeysApi(none, none),
    serviceAccounts: new ServiceAccountsApi(none, none),
    adminKeys: new AdminKeysApi(none),
    auditLogs: new AuditLogsApi(none),
    usageLimits: new UsageLimitsApi(none),
  };
  const letIn = () => {};
  const caller = {
    project: 't',
    key: 'k',
    permissions: { scopes: null, models: null },
    limits: {},
    weight: 1,
  };
  const authenticator = {
    callerOf: async () => ({ ...caller, project: authenticate() }),
    adminOf: async () => ({ key: 'k' }),
  };
  const answers = new Answers({ inc: (labels: (typeof counted)[number]) => void counted.push(labels) });
  const about = {
    authenticator,
    letIn,
    corsOrigins,
    answers,
    bodies: none,
    room: none,
    nextId: () => 'r1',
    log,
    refusedKeys: { note: (about: object) => void refusals.push(about) },
    tls: null,
    accessLog: new AccessLog({ info: (line: object) => void accesses.push(line) }, () => 5),
  };
  return buildServer({ apis, ...about });
}

/** As `GET /v1/files/{id}`, from the router's own tree. */
async function routes(): Promise<string[]> {
  const app = startServer();
  await app.ready();
  const above: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .trimEnd()
    .split('\n')
    .flatMap(line => {
      const [, indent = '', part = '', methods = ''] = /^(.*)[├└]── (\S+) \((.*)\)$/.exec(line) ?? [];
      const depth = indent.length / 4;
      above.length = depth;
      above.push(part);
      const path = above
        .join('')
        .replace('models*', 'models/{model}')
        .replaceAll(/:(\w+)/g, '{$1}');
      return methods
        .split(', ')
        .filter(method => method !== 'HEAD')
        .map(method => `${method} ${path}`);
    });
}

test('the document at /openapi.json has every route, and no other (libs/protocol/openapi/operations.ts)', async () => {
  const documented = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assert.deepEqual((await routes()).sort(), [...documented, ...UNDOCUMENTED].sort());
});

test('the largest file has time to come over a line of 3 Mbit/s', () => {
  const app = startServer();
  assert.ok((MAX_FILE_BYTES * 8) / (app.server.requestTimeout / 1000) < 3e6);
});

test('a route is served however the base URL of the client was written, and never redirected', async () => {
  const app = startServer();
  const refusal = async (method: 'GET' | 'POST', url: string) => {
    const body = method === 'POST' ? { payload: 'x', headers: { 'content-type': 'text/plain' } } : {};
    return (await app.inject({ method, url, ...body })).statusCode;
  };
  // 415: there is a route, which takes no such body.
  for (const path of [
    ...['/v1/chat/completions', '/v1/chat/completions/', '/v1//chat/completions', '//v1/chat/completions//'],
    ...[
      '/v1/v1/chat/completions',
      '/v1/v1//v1/chat/completions',
      '/chat/completions',
      '/chat/completions/?a=/v1/',
    ],
    ...['/v1/chat/completions?api-version=2024-06-01', 'http://any.host/v1/chat/completions'],
    ...['/openai/deployments/m/chat/completions?api-version=2024-06-01', '/openai/v1/chat/completions'],
  ])
    assert.equal(await refusal('POST', path), 415, path);
  for (const path of ['/health/', '//health', '/v1/', '/v1', '/v1/v1', '/', '//', '/?x=1', '/version'])
    assert.equal(await refusal('GET', path), 200, path);
  for (const path of ['/v1/chat/completionsx', '/v2/chat/completions', '/v1/chat', '/openai', '/v1/v2', '*'])
    assert.equal(await refusal('POST', path), 404, path);
});

test('an unknown path, and a method that a path lacks, are told what there is', async () => {
  const app = startServer();
  const told = async (method: 'GET' | 'POST' | 'DELETE', url: string) => {
    const answer = await app.inject({ method, url });
    return [
      answer.statusCode,
      answer.json().error.code,
      answer.json().error.message,
      answer.headers['allow'],
    ];
  };
  const none = 'No such route.';
  assert.deepEqual(await told('POST', '/v1/nothing'), [
    ...[404, 'not_found', `${none} API routes start with /v1; GET /v1 lists them.`, undefined],
  ]);
  assert.deepEqual(await told('POST', '/api/v1/chat/completions'), [
    ...[404, 'not_found', `${none} Use /v1/chat/completions.`, undefined],
  ]);
  assert.deepEqual(await told('GET', '/v1/health'), [404, 'not_found', `${none} Use /health.`, undefined]);
  assert.deepEqual((await told('GET', '/v1/completions')).slice(0, 2), [405, 'method_not_allowed']);
  assert.equal((await told('GET', '/v1/embeddings/'))[3], 'POST, OPTIONS');
  assert.equal((await told('POST', '/v1/files/file-1'))[3], 'GET, HEAD, DELETE, OPTIONS');
  const index = (await app.inject({ url: '/v1' })).json();
  assert.ok(index.routes.includes('POST /v1/chat/completions') && index.routes.includes('GET /health'));
  assert.equal((await app.inject({ method: 'HEAD', url: '/' })).statusCode, 200);
  assert.equal(
    (await app.inject({ method: 'HEAD', url: '/v1/models' })).statusCode,
    500,
    'the same route as GET',
  );
});

test('a request that fails here is logged with its cause, under the id that its client is told, and nothing of it is said', async () => {
  const app = startServer();
  logged.length = 0;
  const answer = await app.inject({ url: '/v1/models?secret=hunter22' });
  assert.equal(answer.statusCode, 500);
  const [{ id, err }] = logged as [{ id: string; err: Error }];
  assert.equal(answer.headers['x-penstock-request-id'], id);
  assert.ok(err instanceof TypeError, 'what was thrown, not what the client is told');
  assert.ok(!answer.body.includes(err.message) && !answer.body.includes('    at '));
  await app.inject({ url: '/v1/nothing' });
  assert.equal(logged.length, 1, 'what clients do wrong is not logged');
});

test('what the port tells of monitoring is a setting: all of it, probes, or nothing', async () => {
  const found = async (shown: ApiMonitoring) => {
    const app = startServer(new Set(), shown);
    const asked = ['/livez', '/readyz', '/health', '/ping', '/metrics', '/version'].map(url =>
      app.inject({ url }),
    );
    return (await Promise.all(asked)).map(({ statusCode }) => statusCode);
  };
  // There are no metrics behind the route here.
  assert.deepEqual(await found('all'), [200, 200, 200, 200, 500, 200]);
  assert.deepEqual(await found('probes'), [200, 200, 200, 200, 404, 200]);
  assert.deepEqual(await found('none'), [404, 404, 404, 404, 404, 200]);
});

test('the access log has each answer with its route and project, and nothing that its client wrote', async t => {
  const app = startServer();
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  accesses.length = 0;
  const secret = 'hunter22';
  const headers = { 'x-request-id': secret, 'user-agent': secret, authorization: `Bearer ${secret}` };
  await fetch(`${url}/v1/files/${secret}?after=${secret}&after=${secret}`, { headers });
  await fetch(`${url}/${secret}`, { method: 'POST', headers, body: secret });
  await fetch(`${url}/livez`, { headers });
  while (accesses.length < 2) await new Promise(resolve => setImmediate(resolve));
  assert.doesNotMatch(JSON.stringify(accesses), /hunter22/);
  const [got, unrouted, ...more] = accesses as Record<string, unknown>[];
  const { bytesIn, bytesOut, ...about } = got ?? {};
  assert.deepEqual(about, {
    ...{ id: 'r1', method: 'GET', route: '/v1/files/:id', status: 400, ms: 0, project: 't' },
  });
  assert.ok(Number(bytesIn) >= 0 && Number(bytesOut) > 100);
  assert.deepEqual(
    [unrouted?.['route'], unrouted?.['status'], unrouted?.['project']],
    ['none', 404, undefined],
  );
  assert.deepEqual(more, []);
});

test('a key that was refused is noted, but not a request without one', async () => {
  refusals.length = 0;
  for (const code of ['missing_api_key', 'invalid_api_key'] as const) {
    const app = startServer(new Set(), 'all', () => {
      throw new DispatchError(code);
    });
    assert.equal((await app.inject({ url: '/v1/models' })).statusCode, 401);
  }
  assert.deepEqual(refusals, [{ ip: '127.0.0.1', why: 'invalid_api_key', project: '' }]);
});

test('OPTIONS names the methods of a path; pages of other origins are told nothing more', async () => {
  const app = startServer();
  const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
  const answer = await app.inject({ method: 'OPTIONS', url: '/v1/completions', headers });
  assert.deepEqual([answer.statusCode, answer.headers['allow']], [204, 'POST, OPTIONS']);
  assert.ok(Object.keys(answer.headers).every(name => !name.startsWith('access-control')));
  // Not those of /v1/responses/{id}, which would take this for an id.
  const exact = await app.inject({ method: 'OPTIONS', url: '/v1/responses/input_tokens' });
  assert.equal(exact.headers['allow'], 'POST, OPTIONS');
  assert.equal((await app.inject({ method: 'OPTIONS', url: '/v1/nothing' })).statusCode, 404);
  assert.equal((await app.inject({ method: 'OPTIONS', url: '/' })).statusCode, 204);
});

test('a page of a listed origin may call every route and read every answer, errors too', async () => {
  const app = startServer(new Set(['https://app.example']));
  const origin = 'https://app.example';
  const asked = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,x-a',
  };
  const preflight = (of: string) =>
    app.inject({ method: 'OPTIONS', url: '/v1/files', headers: { origin: of, ...asked } });
  const { headers, statusCode } = await preflight(origin);
  assert.equal(statusCode, 204);
  assert.equal(headers['access-control-allow-origin'], origin);
  assert.equal(headers['access-control-allow-methods'], 'GET, HEAD, POST');
  assert.equal(headers['access-control-allow-headers'], 'authorization,x-a');
  assert.equal(headers['access-control-allow-credentials'], 'true');
  assert.match(String(headers['vary']), /Origin/);
  const strange = (await preflight('https://evil.example')).headers;
  assert.ok(Object.keys(strange).every(name => !name.startsWith('access-control')));
  assert.match(String(strange['vary']), /Origin/);
  for (const url of ['/health', '/v1/nothing', '/v1/chat/completions'])
    assert.equal(
      (await app.inject({ url, headers: { origin } })).headers['access-control-allow-origin'],
      origin,
    );
});

test('where all origins are allowed, the credentials of the browser are not', async () => {
  const app = startServer('any');
  const asked = { origin: 'https://any.example', 'access-control-request-method': 'POST' };
  const { headers } = await app.inject({ method: 'OPTIONS', url: '/v1/models', headers: asked });
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['access-control-allow-credentials'], undefined);
});

test('every answer is counted by its route and the status that the client saw, refusals and what is no request too', async t => {
  const app = startServer();
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  counted.length = 0;
  await fetch(`${url}/nowhere`);
  await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-encoding': 'gzip' } });
  await fetch(`${url}/v1/files?a=1&a=2`);
  await fetch(`${url}/v1/%zz`);
  await fetch(`${url}/livez`);
  const garbage = connect(Number(new URL(url).port), '127.0.0.1').resume();
  garbage.end('no request\r\n\r\n');
  await once(garbage, 'close');
  while (counted.length < 5) await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(
    counted.map(({ endpoint, status }) => `${endpoint} ${status}`),
    ['none 404', 'chat 415', '/v1/files 400', 'none 400', 'none 400'],
  );
});
