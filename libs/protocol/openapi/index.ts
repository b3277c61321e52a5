/** The OpenAPI 3.1 document, served at `GET /openapi.json`. */
import { ERRORS } from '../errors/errors.ts';
import { OBJECTS } from './objects.ts';
import type { Operation } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { ORGANIZATION_OBJECTS } from './organization-objects.ts';
import { REQUESTS } from './requests.ts';
import { type JsonSchema, object, ref, text } from './schema.ts';

export { OPERATIONS } from './operations.ts';

/** Error statuses that any route under /v1 can answer with. */
const ANYWHERE = [400, 401, 403, 404, 405, 413, 415, 500, 503];
const QUEUED = [429, 502, 504];
/** Schema of one server-sent event. */
const SSE_EVENT = object({ data: text }, { event: text });
const MULTIPART: ReadonlySet<string> = new Set(['CreateFile', 'CreateTranscription', 'CreateTranslation']);

/** Operations that create a resource, and the operations that take its id. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  createResponse: ['retrieveResponse', 'cancelResponse', 'deleteResponse', 'listInputItems'],
  createFile: ['retrieveFile', 'downloadFile', 'deleteFile'],
  createWebhookEndpoint: [
    'retrieveWebhookEndpoint',
    'updateWebhookEndpoint',
    'rotateWebhookSecret',
    'listWebhookDeliveries',
    'deleteWebhookEndpoint',
  ],
  createBatch: ['retrieveBatch', 'cancelBatch'],
};
/** The same for what is answered with 202. */
const JOB_LINKS = ['retrieveJob', 'cancelJob', 'deleteJob'];

/** @param version of the product. @returns the whole document; a new one each time. */
export function openApiDocument(version: string): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Penstock',
      version,
      description:
        'The supported part of the OpenAI API. Request bodies may contain other fields, which are passed to the engine unchanged.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { ...OBJECTS, ...ORGANIZATION_OBJECTS, ...REQUESTS, Document: { type: 'object' } },
      responses: errorResponses(),
    },
  };
}

function describe(operation: Operation): JsonSchema {
  const { id, summary, body, bodyMayLack, open, queued, errors: shape } = operation;
  const errors = open ? [] : [...ANYWHERE, ...(queued ? QUEUED : [])];
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '');
  const inPath = names.map(name => ({ name, in: 'path', required: true, schema: { ...text, minLength: 1 } }));
  return {
    operationId: id,
    summary,
    ...(open ? { security: [] } : {}),
    parameters: [...inPath, ...(operation.parameters ?? [])],
    ...(body === undefined ? {} : { requestBody: bodyOf(body, bodyMayLack !== true) }),
    responses: {
      ...Object.fromEntries(
        errors.map(status => [
          status,
          shape === undefined ? { $ref: `#/components/responses/Error${status}` } : errorOf(shape),
        ]),
      ),
      ...Object.fromEntries(
        Object.entries(operation.answers).map(([status, names]) => [status, answerOf(id, status, names)]),
      ),
    },
  };
}

function errorOf(schema: string): JsonSchema {
  return { description: 'An error.', content: { 'application/json': { schema: ref(schema) } } };
}

function bodyOf(name: string, required: boolean): JsonSchema {
  const type = MULTIPART.has(name) ? 'multipart/form-data' : 'application/json';
  return { required, content: { [type]: { schema: ref(name) } } };
}

function answerOf(id: string, status: string, names: readonly string[]): JsonSchema {
  const schemas = names.filter(name => !name.includes('/')).map(ref);
  const others = names.filter(name => name.includes('/'));
  const json = schemas.length > 1 ? { anyOf: schemas } : schemas[0];
  const links = status === '202' && id.startsWith('create') ? JOB_LINKS : (LINKS[id] ?? []);
  return {
    description: status === '202' ? 'Accepted. Ask for the result at the URL in Location.' : 'Success.',
    headers: { 'x-request-id': { schema: text } },
    content: {
      ...(json === undefined ? {} : { 'application/json': { schema: json } }),
      ...Object.fromEntries(
        others.map(type => [type, { schema: type === 'text/event-stream' ? SSE_EVENT : text }]),
      ),
    },
    ...(links.length === 0
      ? {}
      : {
          links: Object.fromEntries(
            links.map(operationId => [
              operationId,
              { operationId, parameters: { id: '$response.body#/id' } },
            ]),
          ),
        }),
  };
}

/** One for each status of the error table. */
function errorResponses(): JsonSchema {
  const byStatus = new Map<number, string[]>();
  for (const [code, { status, text: meaning }] of Object.entries(ERRORS))
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${meaning}`]);
  return Object.fromEntries(
    [...byStatus].map(([status, meanings]) => [
      `Error${status}`,
      {
        description: meanings.join('\n\n'),
        content: { 'application/json': { schema: ref('ErrorResponse') } },
      },
    ]),
  );
}
